# Random streams of the mclapply family. `mc_state$stream` is the L'Ecuyer stream that was handed
# out last; it is inherited by fork, so that a worker which starts jobs of its own continues from the
# stream that it was given. Written only by advance_stream(), reset_stream() and, in a worker,
# start_stream(). `fresh`: nothing has run in this worker since it was forked for the call.
mc_state <- new.env(parent = emptyenv())
mc_state$fresh <- FALSE

# The seed's first number has the generator's in its last two digits; without a seed R alone knows it.
uses_lecuyer <- function() {
  seed <- current_seed()
  if (is.integer(seed) && length(seed) > 1L) seed[[1L]] %% 100L == 7L else RNGkind()[1L] == "L'Ecuyer-CMRG"
}

current_seed <- function() globalenv()$.Random.seed

# `seed` NULL: no seed at all, R takes one from clock and pid at the next draw
assign_seed <- function(seed) {
  global <- globalenv()
  if (!is.null(seed)) {
    assign(".Random.seed", seed, envir = global)
  } else {
    forget_random_state()
  }
  invisible()
}

#' Start the random streams of the mclapply family again
#'
#' With `RNGkind("L'Ecuyer-CMRG")`, [mclapply()], [mcmapply()], [pvec()] and [mcparallel()] give
#' every worker a random stream of its own, the next one of a sequence that starts at the session's
#' current `.Random.seed`. `mc.reset.stream()` starts that sequence again from the current
#' `.Random.seed`, so that `set.seed(123, "L'Ecuyer-CMRG"); mc.reset.stream()` makes the jobs that
#' follow reproducible. `mclapply()` and `pvec()` call it themselves (when `mc.set.seed = TRUE`),
#' `mcparallel()` does not. With any other kind of generator it does nothing.
#'
#' The streams are those of package parallel: after the same `set.seed()` both packages draw the
#' same numbers. The streams of parallel's own functions are started again too, for code that still
#' uses them.
#'
#' @returns Invisibly, the seed that the sequence starts from, or `NULL` if the generator has no
#'   streams.
#' @seealso [parallel::nextRNGStream()], which makes the next stream from one; `mc.seed` in
#'   [mclapply()], for numbers that do not depend on the number of cores.
#' @concept random numbers
#' @concept reproducible
#' @concept seed
#' @examples
#' old <- RNGkind("L'Ecuyer-CMRG")
#' set.seed(123)
#' mc.reset.stream()
#' unlist(mccollect(mcparallel(runif(1))), use.names = FALSE)
#' mc.reset.stream() # the same number again
#' unlist(mccollect(mcparallel(runif(1))), use.names = FALSE)
#' RNGkind(old[1])
#' @export
mc.reset.stream <- function() {
  reset_stream()
  # what parallel's own function does; that one may have been replaced by this one
  theirs <- parallels_own("RNGenv", "environment")
  if (uses_lecuyer() && !is.null(theirs)) assign("LEcuyer.seed", mc_state$stream, envir = theirs)
  invisible(if (uses_lecuyer()) mc_state$stream)
}

reset_stream <- function() {
  if (uses_lecuyer()) {
    if (is.null(current_seed())) sample.int(1L)
    mc_state$stream <- current_seed()
  }
  invisible()
}

# The next stream, or NULL where the generator has no streams. The very first one is the current
# seed itself.
advance_stream <- function() {
  if (!uses_lecuyer()) {
    return(NULL)
  }
  if (is.null(mc_state$stream)) {
    reset_stream()
  } else {
    mc_state$stream <- parallel::nextRNGStream(mc_state$stream)
  }
  mc_state$stream
}

# What a forked job starts with: list(seed, kind, stream). Made in the parent, one after the other.
next_start <- function(set_seed) {
  if (isTRUE(set_seed)) {
    stream <- advance_stream()
    list(seed = stream, kind = RNGkind(), stream = stream)
  } else {
    list(seed = current_seed(), kind = RNGkind(), stream = NULL)
  }
}

# In the worker. The kind is put back because a worker that serves several chunks may come from a
# task that changed it; a fresh one has the session's.
start_stream <- function(start) {
  if (!mc_state$fresh && !identical(RNGkind(), start$kind)) {
    suppressWarnings(do.call(RNGkind, as.list(start$kind)))
  }
  mc_state$fresh <- FALSE
  if (!is.null(start$stream)) mc_state$stream <- start$stream
  assign_seed(start$seed)
}

# Streams of the chunks of one job: a function that puts the worker at the start of a chunk's stream.
# `done`: how many of its elements a worker had computed that died. The next worker must not
# draw the first numbers again: the element at position p continues with the (p - 1)th
# substream of the chunk's stream.
chunk_streams <- function(chunks, set_seed) {
  # only streams differ from chunk to chunk
  kind <- RNGkind()
  own_streams <- isTRUE(set_seed) && kind[1L] == "L'Ecuyer-CMRG"
  streams <- if (own_streams) lapply(chunks, function(chunk) advance_stream())
  start <- list(seed = if (!isTRUE(set_seed)) current_seed(), kind = kind, stream = NULL)
  function(chunk, done) {
    if (own_streams) start$seed <- start$stream <- streams[[chunk]]
    start_stream(start)
    skip_substreams(start$stream, done)
  }
}

skip_substreams <- function(stream, n) {
  if (is.null(stream) || n == 0L) {
    return(invisible())
  }
  for (k in seq_len(n)) stream <- parallel::nextRNGSubStream(stream)
  mc_state$stream <- stream
  assign_seed(stream)
}

# `mc.seed`: element i draws from the ith stream after `seed`, in whichever worker. Streams are
# walked forwards in each process; a step back (an element tried again) starts from the first one.
seeded <- function(evaluate, seed) {
  if (is.null(seed)) {
    return(evaluate)
  }
  first <- first_stream(seed)
  at <- 0L
  stream <- first
  function(i) {
    if (i < at) {
      at <<- 0L
      stream <<- first
    }
    while (at < i) {
      stream <<- parallel::nextRNGStream(stream)
      at <<- at + 1L
    }
    mc_state$stream <- stream
    assign_seed(stream)
    evaluate(i)
  }
}

first_stream <- function(seed) {
  back <- keep_random_state()
  on.exit(back())
  set.seed(seed, kind = "L'Ecuyer-CMRG", normal.kind = "Inversion", sample.kind = "Rejection")
  current_seed()
}

# A function that puts the generator, its kind and the streams back as they are now
keep_random_state <- function() {
  seed <- current_seed()
  kind <- RNGkind()
  stream <- mc_state$stream
  function() {
    start_stream(list(seed = seed, kind = kind, stream = NULL))
    mc_state$stream <- stream
    invisible()
  }
}
