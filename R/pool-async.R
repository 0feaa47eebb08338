#' The result of an asynchronous job
#'
#' What `$apply_async()`, `$map_async()` and `$starmap_async()` of a [Pool()] return.
#'
#' @section Methods:
#' - `$get(timeout = NULL)`: the value, or its error as from [Pool()]; `TimeoutError` if it is not available within `timeout`
#'   seconds; `CancelledError` after `$cancel()`, or if the pool was terminated first.
#' - `$wait(timeout = NULL)`: waits until the value or error is available, at most `timeout` seconds; `$ready()`: whether it is.
#' - `$successful()`: whether it is a value and not an error; an error of class `ValueError` before it is available.
#' - `$cancel()`: cancels the job; a worker that computes it is interrupted, and replaced if it does not stop within a
#'   second. Invisibly `FALSE` if the value was taken before.
#' @section Callbacks:
#' They are called in later calls of the pool, at the beginning of [wait()], when an executor is created, and while R waits at its
#' prompt, if package later is installed. An error in a callback becomes a warning. Dead workers are replaced while this process
#' waits in any call of this package.
#' @section Python: `multiprocessing.pool.AsyncResult`; `$cancel()` is this package's own.
#' @return A handle of class `AsyncResult`.
#' @name AsyncResult
#' @seealso [Pool()], whose methods that end in `_async` give it; [wait()] for any of several.
#' @concept asynchronous call
#' @concept callback
#' @concept background job
#' @examples
#' pool <- Pool(1)
#' r <- pool$apply_async(function(x) x + 1, list(41))
#' r$get(timeout = 10)
#'
#' r <- pool$map_async(sqrt, 1:3, callback = function(values) cat(length(values), "values\n"))
#' r$wait(timeout = 10)
#' c(r$ready(), r$successful())
#' report <- function(e) cat(conditionMessage(e$parent), "\n")
#' r <- pool$apply_async(function() stop("no"), error_callback = report)
#' r$wait()
#'
#' r <- pool$apply_async(Sys.sleep, list(60))
#' r$cancel()
#' tryCatch(r$get(), CancelledError = function(e) "cancelled")
#' pool$terminate()
NULL

# --- outcomes: what a future and an AsyncResult have in common ---
#
# Each is an environment of methods, and no R6 object, so that it costs little more than the call that it stands for. The
# methods of a kind are written once; compiled code makes copies of them whose environment is one outcome's state:
# - `owner`: kept as long as the outcome is; for an AsyncResult the handle of its pool, which lives as long as its results;
# - `pool`: what is private to its pool; `ticket`: the job's id, 0 when its outcome was taken. Its finalizer abandons the job;
# - `outcome`: NULL, list(value = ) or list(error = ); `state`, `self`: the state itself, and the environment of the methods;
# - what is missing when it is NULL: `job`, if it is more than a simple call; `taken`, what came back and is no outcome yet;
#   `callbacks` of a future.
async_methods <- lapply(list(
  get = function(timeout = NULL) {
    if (is.null(outcome) && !(is.null(timeout) && .Call(`_multiprocessing_pool_finish_plain`, state))) result_await(state, timeout)
    if (is.null(outcome$error)) outcome$value else raise(outcome$error)
  },
  wait = function(timeout = NULL) invisible(result_settled(state, timeout)),
  ready = function() result_settled(state, 0),
  successful = function() result_successful(state),
  cancel = function() result_cancel(state)
), compiler::cmpfun)

# A kind of outcome: its class, its methods, and their names as R looks for them
async_kind <- list(c("AsyncResult", "multiprocessing_result"), async_methods, lapply(names(async_methods), as.name))

async_result <- function(handle, pool, job, callback, error_callback) {
  check_callbacks(callback, error_callback)
  # no Ctrl-C may come between the job and its ticket
  result <- suspendInterrupts(pool_outcome(async_kind, handle, pool, job$id, job))
  add_callbacks(result, callback, error_callback)
}

# `$apply_async()`: a simple call goes the short way, as that of `$apply()`
async_call <- function(handle, pool, func, args, callback, error_callback, sees) {
  refuse_if_shut(pool)
  check_callbacks(callback, error_callback)
  result <- if (is.null(sees)) .Call(`_multiprocessing_pool_begin`, async_kind, handle, pool, func, args)
  if (is.null(result)) {
    return(async_result(handle, pool, pool_single(pool, func, args, sees), callback, error_callback))
  }
  if (is.null(callback) && is.null(error_callback)) result else add_callbacks(result, callback, error_callback)
}

check_callbacks <- function(callback, error_callback) {
  if (!is.null(callback)) check_function(callback, "callback")
  if (!is.null(error_callback)) check_function(error_callback, "error_callback")
}

add_callbacks <- function(result, callback, error_callback) {
  if (!is.null(callback) || !is.null(error_callback)) {
    state <- result$.state
    await_in_callbacks(list(id = outcome_job(state), private = state$pool), function() {
      if (is.null(state$outcome) && !outcome_settle(state, 0)) {
        return(NULL)
      }
      function() call_back(state$outcome, callback, error_callback)
    })
  }
  result
}

# `ready()` returns NULL, or, once the job is done, a function that calls its callbacks.
await_in_callbacks <- function(job, ready) {
  assign(as.character(job$id), ready, job$private$pending)
  # no note will tell of a job that was done before this call
  if (pool_wait(job$private$ptr, job$id, 0)) job$private$due <- TRUE
  keep_until_called(job$private)
}

call_back <- function(outcome, callback, error_callback) {
  failed <- !is.null(outcome$error)
  f <- if (failed) error_callback else callback
  if (is.null(f)) {
    return(invisible())
  }
  given <- if (failed) outcome$error else outcome$value
  tryCatch(f(given), error = function(e) {
    warning(sprintf("a callback of a pool failed: %s", message_of(e)), call. = FALSE)
  })
}

# Callbacks are called in later calls of their pool; by call_due_callbacks(); and, if package later is installed, while R waits at
# its prompt. Until then they keep their pool, and with it the executor. This keeps no pool that is terminated or has no callback
# to call.
keep_until_called <- function(pool_private) {
  attended <- pool_private$attended
  if (is.null(attended)) {
    pool_private$attended <- attended <- new.env(parent = emptyenv())
    attended$pid <- Sys.getpid()
    attended$due <- FALSE
    attended$key <- pool_key(pool_private$ptr)
  }
  attended$pool <- pool_private
  assign(attended$key, attended, session$attended)
  session$before_wait <- call_due_callbacks
  attend_when_idle(attended)
}

# Called before a wait for several things, and when an executor is created. What is wrong with a pool is said by calls of it.
call_due_callbacks <- function() {
  for (attended in own_of(session$attended)) {
    if (!is.null(attended$pool)) tryCatch(deliver_callbacks(attended$pool), multiprocessing_error = function(e) NULL)
  }
}

let_go <- function(attended) {
  if (is.null(attended)) {
    return(invisible())
  }
  attended$pool <- NULL
  if (identical(session$attended[[attended$key]], attended)) rm(list = attended$key, envir = session$attended)
}

attend_when_idle <- function(attended) {
  if (attended$due || !has_later()) {
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
    if (length(pool_private$pending)) attend_when_idle(attended)
  }
}

# TRUE if the outcome is available within the time
result_wait <- function(state, timeout, take = outcome_take) {
  if (!is.null(state$outcome)) {
    return(TRUE)
  }
  done <- take(state, timeout)
  if (length(state$pool$pending)) deliver_callbacks(state$pool)
  done
}

# The same; TRUE also if its pool was terminated, which cancels it
result_settled <- function(state, timeout) result_wait(state, timeout, outcome_settle)

result_await <- function(state, timeout) {
  if (!result_wait(state, timeout)) abort("TimeoutError", paste0("no result", waited(timeout)))
}

# TRUE once it has the outcome
outcome_take <- function(state, timeout) {
  if (!is.null(state$job)) {
    return(take_job_outcome(state, timeout))
  }
  if (is.null(state$taken) && !.Call(`_multiprocessing_pool_finish`, state, timeout)) {
    return(FALSE)
  }
  if (!is.null(state$taken)) state$outcome <- list(error = state$taken[[2L]])
  state$taken <- NULL
  TRUE
}

outcome_settle <- function(state, timeout) {
  tryCatch(outcome_take(state, timeout), CancelledError = function(e) {
    state$outcome <- list(error = e)
    TRUE
  })
}

outcome_job <- function(state) pool_ticket_job(state$ticket)

take_job_outcome <- function(private, timeout) {
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

result_successful <- function(state) {
  if (!result_settled(state, 0)) abort("ValueError", "the result is not available yet; $wait() for it")
  is.null(state$outcome$error)
}

result_cancel <- function(state) {
  if (!is.null(state$outcome)) {
    return(invisible(FALSE))
  }
  pool_cancel(state$pool$ptr, outcome_job(state))
  cancelled <- new_condition(c("CancelledError", "multiprocessing_error", "error"), "the job was cancelled")
  state$outcome <- list(error = cancelled)
  invisible(TRUE)
}

#' @export
format.AsyncResult <- function(x, ...) sprintf("<AsyncResult (%s)>", result_phase(x$.state))

#' @export
print.AsyncResult <- function(x, ...) {
  cat(format(x), "\n", sep = "")
  invisible(x)
}

result_phase <- function(state) {
  if (!result_settled(state, 0)) {
    count <- if (is.null(state$job)) 1 else state$job$count
    return(if (count > 1) sprintf("running, %.0f of %.0f elements done", pool_progress(state$pool$ptr, outcome_job(state)), count) else "running")
  }
  error <- state$outcome$error
  if (is.null(error)) {
    "finished"
  } else if (inherits(error, "CancelledError")) {
    "cancelled"
  } else {
    sprintf("failed: %s", class(error)[1L])
  }
}

# Calls the callbacks of the jobs that are done, in the order of their submission; never nested, and their errors become
# warnings. With many jobs, the pool tells which were finished since the last call; `due`: look at all of them.
deliver_callbacks <- function(pool_private) {
  if (pool_private$delivering || !length(pool_private$pending)) {
    return(invisible())
  }
  pool_private$delivering <- TRUE
  whole <- FALSE
  on.exit({
    pool_private$delivering <- FALSE
    if (!whole) pool_private$due <- TRUE # a jump out of a callback: what the pool told is not told again
    if (!length(pool_private$pending)) let_go(pool_private$attended)
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
      whole <- TRUE
      return(invisible())
    }
  }
}
