#' The result of an asynchronous job
#'
#' What `$apply_async()`, `$map_async()` and `$starmap_async()` of a [Pool()] return.
#'
#' @section Methods:
#' - `$get(timeout = NULL)`: the value, or its error as from [Pool()]; `TimeoutError` if it is not available within `timeout`
#'   seconds; `CancelledError` after `$cancel()`.
#' - `$wait(timeout = NULL)`: waits for it; `$ready()`: whether it is available.
#' - `$successful()`: whether it is a value and not an error (`ValueError` before it is available).
#' - `$cancel()`: cancels the job; a worker that computes it is interrupted, and replaced if it does not stop within a
#'   second. Invisibly `FALSE` if the value was taken before.
#' @section Callbacks:
#' They are called, and dead workers replaced, during later calls of this package, and while R waits at its prompt, if
#' package later is installed. An error in a callback becomes a warning.
#' @section Python: `multiprocessing.pool.AsyncResult`; `$cancel()` is ours.
#' @return A handle (an R6 object) of class `AsyncResult`.
#' @name AsyncResult
#' @seealso [Pool()], whose methods that end in `_async` give it; [wait()] for any of several.
#' @concept asynchronous call
#' @concept iterator of results
#' @examples
#' pool <- Pool(1)
#' r <- pool$apply_async(function(x) x + 1, list(41))
#' r$get(timeout = 10)
#'
#' r <- pool$map_async(sqrt, 1:3, callback = function(values) cat(length(values), "values\n"))
#' r$wait()
#' r$successful()
#' report <- function(e) cat(conditionMessage(e$parent), "\n")
#' r <- pool$apply_async(function() stop("no"), error_callback = report)
#' r$wait()
#' pool$terminate()
NULL

AsyncResultHandle <- R6::R6Class("AsyncResult",
  cloneable = FALSE,
  public = list(
    initialize = function(pool, job) {
      private$pool <- pool
      private$job <- job
    },
    get = function(timeout = NULL) result_get(self, private, timeout),
    wait = function(timeout = NULL) invisible(result_wait(private, timeout)),
    ready = function() result_wait(private, 0),
    successful = function() {
      if (!result_wait(private, 0)) abort("ValueError", "the result is not available yet; $wait() for it")
      is.null(private$outcome$error)
    },
    cancel = function() result_cancel(private),
    format = function(...) sprintf("<AsyncResult (%s)>", result_state(private)),
    print = function(...) print_formatted(self)
  ),
  private = list(
    pool = NULL, job = NULL, taken = NULL, outcome = NULL,
    item = function() list(private$job$ptr, if (is.null(private$outcome)) private$job$id else 0L),
    finalize = function() if (is.null(private$outcome)) pool_abandon(private$job$ptr, private$job$id)
  )
)

async_result <- function(pool, pool_private, job, callback, error_callback) {
  if (!is.null(callback)) check_function(callback, "callback")
  if (!is.null(error_callback)) check_function(error_callback, "error_callback")
  # its finalizer abandons the job: no Ctrl-C may come between the two
  result <- suspendInterrupts({
    force(job)
    AsyncResultHandle$new(pool, job)
  })
  if (!is.null(callback) || !is.null(error_callback)) {
    private <- private_of(result)
    await_in_callbacks(job, function() {
      if (is.null(private$outcome) && !take_outcome(private, 0)) {
        return(NULL)
      }
      function() call_back(private$outcome, callback, error_callback)
    })
  }
  result
}

# `ready()` returns NULL, or, once the job is done, a function that calls its callbacks.
await_in_callbacks <- function(job, ready) {
  assign(as.character(job$id), ready, job$private$pending)
  # no note will tell of a job that was done before this call
  if (pool_wait(job$private$ptr, job$id, 0)) job$private$due <- TRUE
  attend_when_idle(job$private)
}

call_back <- function(outcome, callback, error_callback) {
  failed <- !is.null(outcome$error)
  f <- if (failed) error_callback else callback
  if (is.null(f)) {
    return(invisible())
  }
  tryCatch(f(if (failed) outcome$error else outcome$value), error = function(e) {
    warning(sprintf("a callback of a pool failed: %s", message_of(e)), call. = FALSE)
  })
}

# While R waits at its prompt, package later (if it is installed) lets us call callbacks, and attend to the jobs that they
# wait for. This keeps no pool that is terminated or has no callback to call: a script never waits at a prompt.
attend_when_idle <- function(pool_private) {
  if (!has_later()) {
    return(invisible())
  }
  attended <- pool_private$attended
  if (is.null(attended)) {
    pool_private$attended <- attended <- new.env(parent = emptyenv())
    attended$pid <- Sys.getpid()
    attended$due <- FALSE
  }
  attended$pool <- pool_private
  if (attended$due) {
    return(invisible())
  }
  attended$due <- TRUE
  later::later(idle_call(attended), 0.1)
  invisible()
}

idle_call <- function(attended) {
  force(attended)
  function() {
    attended$due <- FALSE
    pool_private <- attended$pool
    if (is.null(pool_private) || Sys.getpid() != attended$pid) {
      return()
    }
    pool_attend(pool_private$ptr)
    deliver_callbacks(pool_private)
    if (length(pool_private$pending)) attend_when_idle(pool_private)
  }
}

# TRUE if the outcome is available within the time
result_wait <- function(private, timeout) {
  if (!is.null(private$outcome)) {
    return(TRUE)
  }
  there <- take_outcome(private, timeout)
  deliver_callbacks(private$job$private)
  there
}

take_outcome <- function(private, timeout) {
  job <- private$job
  if (is.null(private$taken)) {
    if (!pool_wait(job$ptr, job$id, timeout)) {
      return(FALSE)
    }
    suspendInterrupts(private$taken <- pool_take(job$ptr, job$id)) # the pool no longer has it
  }
  private$outcome <- job_outcome(job, private$taken)
  private$taken <- NULL
  TRUE
}

result_state <- function(private) {
  if (!result_wait(private, 0)) {
    job <- private$job
    return(if (job$count > 1) sprintf("running, %.0f of %.0f elements done", pool_progress(job$ptr, job$id), job$count) else "running")
  }
  error <- private$outcome$error
  if (is.null(error)) {
    "finished"
  } else if (inherits(error, "CancelledError")) {
    "cancelled"
  } else {
    sprintf("failed: %s", class(error)[1L])
  }
}

result_get <- function(self, private, timeout) {
  if (!result_wait(private, timeout)) {
    abort("TimeoutError", paste0("no result", waited(timeout)))
  }
  outcome_value(private$outcome)
}

result_cancel <- function(private) {
  if (!is.null(private$outcome)) {
    return(invisible(FALSE))
  }
  pool_cancel(private$job$ptr, private$job$id)
  cancelled <- new_condition(c("CancelledError", "multiprocessing_error", "error"), "the job was cancelled")
  private$outcome <- list(error = cancelled)
  invisible(TRUE)
}

# Calls the callbacks of the jobs that are done, in the order of their submission; never nested, and their errors become
# warnings. With many jobs, the pool tells which were finished since the last call; `due`: look at all of them.
deliver_callbacks <- function(pool_private) {
  if (pool_private$delivering || !length(pool_private$pending)) {
    return(invisible())
  }
  pool_private$delivering <- TRUE
  on.exit({
    pool_private$delivering <- FALSE
    if (!is.null(pool_private$attended) && !length(pool_private$pending)) pool_private$attended$pool <- NULL
  })
  few <- 32L
  repeat {
    finished <- pool_finished(pool_private$ptr)
    ids <- if (pool_private$due || length(pool_private$pending) <= few) {
      ls(pool_private$pending, sorted = FALSE)
    } else {
      intersect(as.character(finished), ls(pool_private$pending, sorted = FALSE))
    }
    pool_private$due <- FALSE
    called <- FALSE
    for (id in ids[order(as.numeric(ids))]) {
      calls <- get(id, pool_private$pending)()
      if (is.null(calls)) next
      rm(list = id, envir = pool_private$pending)
      called <- TRUE
      calls()
    }
    if (!called) {
      return(invisible())
    }
  }
}
