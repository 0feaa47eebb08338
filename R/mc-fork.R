# The engine of the mclapply() family: workers that are forked for one call, and thus have the function (in `frame`, as
# new_frame() makes it) and its data. `chunks`: integer vectors, elements that one worker computes one after the other;
# as many as workers: chunk c is worker c's. `set_seed`: with parallel's random streams for each chunk. Returns what
# pool_take() gives.
#
# What the session does before the last fork, and what a child does before its first element, is what a short call costs: the
# first write to each page is a fault, and copies the page in a child. Hence few calls of R there.
fork_map <- function(X, frame, chunks, cores, set_seed, silent = FALSE, affinity = NULL, retry = 0L,
                     progress = FALSE, stop_on_error = FALSE, cleanup = TRUE, template = NULL) {
  set_stream <- chunk_streams(chunks, set_seed)
  frame$begin_chunk <- function(number, done) { # `done`: elements of it that are, if another worker began it
    if (!is.null(affinity)) parallel::mcaffinity(affinity[[number]])
    set_stream(number, done)
    frame$X <- X[chunks[[number]]]
  }
  stop_on_error <- isTRUE(stop_on_error)
  workers <- as.integer(max(1L, min(cores, length(chunks))))
  ptr <- NULL
  start <- function() {
    what <- list(
      pool = pool_handle(ptr), frame = frame, parent = this_process(), sinks = has_sinks(), resume = fork_map_resume,
      later = started
    )
    list(what = as.call(list(fork_map_worker, what)), method = "fork", silent = isTRUE(silent))
  }
  started <- done <- FALSE
  ptr <- pool_create(workers, start, FALSE)
  on.exit(if (done) fork_map_end(ptr) else fork_map_cleanup(ptr, if (started) cleanup else TRUE))
  starts <- c(0, cumsum(as.numeric(lengths(chunks))))
  slots <- if (fits_slots(template) || is.name(template)) template
  id <- without_compiler(pool_run_once(ptr, length(X), starts, unlist(chunks), retry, stop_on_error, slots))
  started <- TRUE
  if (isTRUE(progress)) show_progress(list(ptr = ptr, id = id, count = length(X)))
  if (stop_on_error) pool_wait_failure(ptr, id) else pool_wait(ptr, id, NULL)
  output_show()
  done <- TRUE
  # after the first error others may be running still
  if (stop_on_error && !pool_wait(ptr, id, 0)) pool_peek(ptr, id) else pool_take(ptr, id)
}

fork_map_end <- function(ptr) {
  if (watches_exit()) pool_join(ptr, NULL)
  pool_dismiss(ptr)
}

# After an interrupt, mc.cleanup says what happens to the workers: TRUE ends them, a number is a signal for them, FALSE
# lets them finish what they compute.
fork_map_cleanup <- function(ptr, cleanup) {
  if (isTRUE(cleanup)) {
    return(pool_terminate(ptr))
  }
  if (is.numeric(cleanup)) pool_signal(ptr, as.integer(cleanup))
  pool_close(ptr)
  session$detached <- c(Filter(function(other) !pool_join(other, 0), session$detached), list(ptr))
}

fork_worker_names <- sprintf("ForkWorker-%d", 1:64)

fork_map_worker <- function(what, index) {
  enter_child(if (index < length(fork_worker_names)) fork_worker_names[[index + 1L]] else sprintf("ForkWorker-%d", index + 1L), what)
  if (what$later) enableJIT(0L)
  mc_state$fresh <- !what$later
  worker_begin(what$pool, index, -1L, what$frame, NULL)
  worker_loop()
  leave_family(0L)
}

# After a jump out of the worker: the element that jumped has failed, the others are computed.
fork_map_resume <- function() {
  publish_failure(worker_fail, jump_condition(), NULL, NULL)
  worker_loop()
  leave_family(0L)
}

# --- what the children of the family have in common with parallel's ---

# Children are forked while R's compiler is off: code that is compiled in a child is lost when it ends. The session does not
# call this code, so it never compiles it, and each child would compile it again.
without_compiler <- function(expr) {
  level <- enableJIT(0L)
  on.exit(enableJIT(level))
  expr
}

# By parallel's mcexit(), in which covr and others save what a child has done; it ends this process.
leave_family <- function(code) {
  exit <- parallels_own("mcexit")
  tryCatch(if (!is.null(exit)) exit(code), error = function(e) NULL)
  code
}

# Has other code replaced parallel's mcexit()? Then children are not killed before they have
# called it. (parallel's own is compiled, a changed copy is not.)
watches_exit <- function() {
  exit <- parallels_own("mcexit")
  !is.null(exit) && !(is_compiled(exit) && identical(environment(exit), parallel_namespace) && !is.object(exit))
}

# A child wanted to jump to a handler or restart of the code around the call
jump_condition <- function() {
  new_condition(
    c("left_by_jump", "error"), paste(
      "the task was to be left by a jump to a handler or restart outside of it, which a process cannot do:",
      "put tryCatch() into the function"
    )
  )
}

# --- one forked evaluation, for mcparallel() ---

job_start <- function(fun, silent = FALSE, affinity = NULL) {
  job <- new.env(parent = emptyenv())
  what <- list(fun = fun, affinity = affinity, resume = job_resume)
  job$ptr <- without_compiler(process_start(as.call(list(job_main, what)), "fork", isTRUE(silent)))
  job$pid <- process_pid(job$ptr)
  job
}

job_main <- function(what) {
  forget_frames(sys.nframe())
  while (sink.number() > 0L) sink()
  if (!is.null(what$affinity)) parallel::mcaffinity(what$affinity)
  leave_family(run_and_publish(what$fun))
}

job_resume <- function() {
  publish_failure(function(sent) process_publish(sent, 1L), jump_condition(), NULL, NULL)
  leave_family(1L)
}

# Which of the jobs have a result or have ended, after waiting for the first for at most `timeout` seconds
job_poll <- function(jobs, timeout) {
  processes <- lapply(jobs, function(job) job$ptr)
  if (watches_exit()) process_join(processes, timeout, FALSE) else process_ready(processes, timeout)
}

job_result <- function(job) process_outcome(job$ptr, job$pid, process_status(job$ptr), "the forked job")
