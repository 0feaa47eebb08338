# The engine of the mclapply() family: workers that are forked for one call and so have the function (in `frame`) and
# its data. `chunks`: integer vectors, elements that one worker computes one after the other; as many as workers: chunk
# c is worker c's. `before(c, done)` runs in the worker before it begins or takes over a chunk, of which `done` elements
# are done. Returns what pool_take() gives.
fork_map <- function(X, frame, chunks, cores, before, silent = FALSE, affinity = NULL, retry = 0L,
                     progress = FALSE, stop_on_error = FALSE, cleanup = TRUE, template = NULL) {
  force(before) # here, not in each worker
  frame$begin_chunk <- function(number, done) {
    if (!is.null(affinity)) parallel::mcaffinity(affinity[[number]])
    before(number, done)
    frame$X <- X[chunks[[number]]]
  }
  lanes <- as.integer(max(1L, min(cores, length(chunks))))
  ptr <- NULL
  start <- function() {
    what <- list(pool = pool_handle(ptr), frame = frame, parent = this_process(), sinks = has_sinks())
    list(what = as.call(list(fork_map_worker, what)), spawn = FALSE, silent = silent)
  }
  ptr <- pool_create(lanes, start, FALSE)
  started <- done <- FALSE
  on.exit(if (done) pool_dismiss(ptr) else fork_map_cleanup(ptr, if (started) cleanup else TRUE))
  starts <- c(0, cumsum(as.numeric(lengths(chunks))))
  id <- pool_submit(
    ptr, NULL, NULL, NULL, length(X), starts, unlist(chunks), retry, 0, stop_on_error,
    if (has_places(template) || is.name(template)) template
  )
  pool_close(ptr) # the workers start; they leave as soon as nothing is left for them
  started <- TRUE
  if (progress) show_progress(list(ptr = ptr, id = id, count = length(X)))
  if (stop_on_error) pool_wait_failure(ptr, id) else pool_wait(ptr, id, NULL)
  output_show()
  done <- TRUE
  # after the first error others may be running still
  if (stop_on_error && !pool_wait(ptr, id, 0)) pool_peek(ptr, id) else pool_take(ptr, id)
}

# After an interrupt, mc.cleanup says what becomes of the workers: TRUE ends them, a number is a signal for them, FALSE
# lets them finish what they compute.
fork_map_cleanup <- function(ptr, cleanup) {
  if (isTRUE(cleanup)) {
    return(pool_terminate(ptr))
  }
  if (is.numeric(cleanup)) pool_signal(ptr, as.integer(cleanup))
  pool_close(ptr)
  session$detached <- c(Filter(function(other) !pool_join(other, 0), session$detached), list(ptr))
}

fork_map_worker <- function(what, lane) {
  enter_child(sprintf("ForkWorker-%d", lane + 1L), what)
  worker_begin(what$pool, lane, -1L, what$frame)
  worker_loop()
  0L
}

# --- one forked evaluation, for mcparallel() ---

job_start <- function(fun, silent = FALSE, affinity = NULL) {
  job <- new.env(parent = emptyenv())
  job$ptr <- process_start(as.call(list(job_main, list(fun = fun, affinity = affinity))), FALSE, isTRUE(silent))
  job$pid <- process_pid(job$ptr)
  job
}

job_main <- function(what) {
  while (sink.number() > 0L) sink()
  if (!is.null(what$affinity)) parallel::mcaffinity(what$affinity)
  run_and_publish(what$fun)
}

# Which of the jobs are over, after waiting for the first for at most `timeout` seconds
job_poll <- function(jobs, timeout) process_join(lapply(jobs, function(job) job$ptr), timeout, FALSE)

job_result <- function(job) process_outcome(job$ptr, job$pid, process_status(job$ptr), "the forked job")
