#' Apply a vectorised function to the pieces of a vector, on several cores
#'
#' `pvec()` cuts `v` into as many neighbouring pieces as there are cores, computes `FUN(piece, ...)`
#' in forked processes and joins the results with [c()]. It suits a vectorised function whose result
#' is as long as its input and that spends little time per element: there is one task per core
#' instead of one per element. It is a drop-in replacement for [parallel::pvec()].
#'
#' Results, warnings and random streams (piece i draws from stream i) are those of parallel. An
#' error in `FUN` is, as there, folded into the result as text, with the warning that `some results
#' may be missing, folded or caused an error`. Three things differ:
#' - A worker that dies stops `pvec()` with its `WorkerDiedError`; parallel returns a vector that is
#'   too short. (`c()` leaves no room for a marker among the numbers, so an error is the only way
#'   not to return wrong positions.)
#' - An empty `v` gives `FUN(v, ...)` whatever the number of cores; parallel stops with an error
#'   from `do.call()` unless `mc.cores = 1`.
#' - `FUN` may be the name of a function with `mc.cores = 1`, too.
#'
#' @param v A vector, atomic or a list, without attributes other than names.
#' @param FUN A function (or its name) of a vector; `FUN(v)` should have as many elements as `v`.
#' @param ... Further arguments of `FUN`.
#' @inheritParams mclapply
#' @returns The results joined by `c()`: for a vectorised `FUN` the same as `FUN(v, ...)`. With no
#'   more elements than cores, the names of `v` are not seen by `FUN` (as in parallel).
#' @section Errors: `ValueError` if `v` is not a vector or `mc.cores` is not at least 1;
#'   `WorkerDiedError` if a worker dies.
#' @seealso [mclapply()]; in Python, `Pool.map()` with a large `chunksize` is the nearest.
#' @concept parallel vectorised function
#' @examples
#' identical(pvec(1:10, sqrt, mc.cores = 2), sqrt(1:10))
#' pvec(c(a = 1.25, b = 2.75, c = 3.5), round, digits = 1, mc.cores = 2)
#' # each process draws from a stream of its own, what it prints is dropped, and SIGKILL ends it if
#' # the call is interrupted
#' draw <- function(x) {
#'   print(length(x))
#'   x + rnorm(length(x))
#' }
#' y <- pvec(
#'   1:10, draw, mc.set.seed = TRUE, mc.silent = TRUE, mc.cleanup = tools::SIGKILL, mc.cores = 2
#' )
#' length(y)
#' @export
pvec <- function(v, FUN, ..., mc.set.seed = TRUE, mc.silent = FALSE, mc.cores = getOption("mc.cores", 2L),
                 mc.cleanup = TRUE) {
  if (missing(v)) missing_argument("v")
  if (missing(FUN)) missing_argument("FUN")
  if (!is.vector(v)) abort("ValueError", "'v' must be a vector")
  cores <- in_our_class(as.integer(mc.cores))
  if (in_our_class(if (cores < 1L) TRUE else FALSE)) abort("ValueError", "'mc.cores' must be >= 1")
  if (!is.function(FUN)) FUN <- in_our_class(match.fun(FUN))
  if (...length()) refuse_other_words("pvec", names(formals()), FUN, ...)
  if (cores == 1L || length(v) == 0L) {
    return(FUN(v, ...))
  }
  if (cores > 2L) check_core_limit(cores)
  if (mc.set.seed) reset_stream()
  # the name `l` is seen by users: it stands in the call of an error, "Error in FUN(l[[i]], ...)", as in parallel
  l <- if (length(v) <= cores) as.list(v) else neighbouring_pieces(v, cores)
  evaluate <- function(i) FUN(l[[i]], ...)
  pieces <- seq_along(l)
  run <- fork_map(
    pieces, with_function(new_frame(), evaluate), as.list(pieces), length(l), mc.set.seed,
    silent = mc.silent, cleanup = mc.cleanup
  )
  died <- Filter(has_died, run$failures)
  if (length(died)) raise(died[[1L]])
  res <- do.call(c, with_try_errors(run))
  if (length(res) != length(v)) warning("some results may be missing, folded or caused an error")
  res
}

# `pieces` runs of v whose lengths differ by at most one, the longer ones first
neighbouring_pieces <- function(v, pieces) {
  sizes <- rep(length(v) %/% pieces, pieces) + (seq_len(pieces) <= length(v) %% pieces)
  ends <- cumsum(sizes)
  lapply(seq_len(pieces), function(k) v[seq.int(to = ends[k], length.out = sizes[k])])
}
