#' The result of a call that an executor runs
#'
#' What `$submit()` of a [ProcessPoolExecutor()] returns. A future is *pending* until a worker begins the call, then
#' *running*, at last *finished*; or *cancelled*, if it was cancelled before a worker began it.
#'
#' @section Methods:
#' - `$result(timeout = NULL)`: waits for the value, at most `timeout` seconds, and returns it, or signals the call's error.
#' - `$exception(timeout = NULL)`: waits for the error and returns it; `NULL` if the call succeeded.
#' - `$done()`: whether it is finished or cancelled; `$running()`: whether a worker computes it now.
#' - `$cancel()`: `TRUE` if the call will never run, because no worker had begun it; `FALSE` if it runs or is finished.
#' - `$cancelled()`: whether `$cancel()` succeeded.
#' - `$add_done_callback(fn)`: calls `fn(future)` once the future is done: at once if it is, else in a later call of its executor or
#'   futures, at the beginning of [wait()], when another executor is created, at the end of R, or while R waits at its prompt if
#'   package later is installed. Callbacks run in the order in which they were added. The error of one becomes a warning, and the
#'   others run. A callback runs inside the call that calls it: it must not wait for what that call's own code holds, a lock for
#'   example.
#'
#' The functions below take several futures, also of several executors.
#'
#' @param fs a list of futures. One that is given twice counts once.
#' @param timeout seconds to wait at most; `NULL`: without limit.
#' @param return_when when to return: `"ALL_COMPLETED"`, `"FIRST_COMPLETED"`, or `"FIRST_EXCEPTION"` (as soon as one has
#'   failed; if none fails, when all are done).
#' @return `wait_futures()`: a list with `done` and `not_done`, two lists of futures. `as_completed()`: an iterator that gives the
#'   futures as they finish, with `$has_next()` and `$next_value()` like that of `$imap()` of a [Pool()]; it signals
#'   `TimeoutError` when `timeout` seconds have passed since `as_completed()` was called.
#' @section Errors: `TimeoutError` (not available in time), `CancelledError` (the future was cancelled), `TaskError` (the call failed;
#'   its own condition is `$parent`, and its classes are those of the error), `WorkerDiedError` (its worker died),
#'   `BrokenProcessPool` (the executor's workers cannot start), `ValueError` (bad arguments).
#' @section Python: `concurrent.futures.Future`, `wait()`, `as_completed()`. `wait_futures()` has another name, since [wait()] is
#'   that of `multiprocessing.connection`; it takes futures, too.
#' @seealso [ProcessPoolExecutor()], [wait()]
#' @concept concurrent.futures
#' @concept asynchronous
#' @concept promise
#' @name Future
#' @examples
#' executor <- ProcessPoolExecutor(1)
#' future <- executor$submit(function(x) x + 1, 41)
#' future$result(timeout = 10)
#' future$add_done_callback(function(f) print(f$result()))
#'
#' fs <- lapply(1:3, function(i) executor$submit(sqrt, i))
#' length(wait_futures(fs)$done)
#' it <- as_completed(fs, timeout = 60)
#' while (it$has_next()) print(it$next_value()$result())
#' length(wait_futures(fs, timeout = 10, return_when = "FIRST_COMPLETED")$done) >= 1
#' f <- executor$submit(function() stop("no"))
#' conditionMessage(f$exception(timeout = 10)$parent)
#' c(f$done(), f$running())
#'
#' # calls that no worker has begun can be cancelled
#' fs <- lapply(1:9, function(i) executor$submit(Sys.sleep, 0.1))
#' fs[[9]]$cancel()
#' fs[[9]]$cancelled()
#' executor$shutdown()
NULL

# See outcomes in pool-async.R. `owner`: what all futures of an executor share; withdrawn jobs are known by `owner$withdrawn`.
future_methods <- lapply(list(
  result = function(timeout = NULL) {
    if (is.null(outcome) && !(is.null(timeout) && .Call(`_multiprocessing_pool_finish_plain`, state))) future_await(state, timeout)
    if (is.null(outcome$error)) outcome$value else raise(outcome$error)
  },
  exception = function(timeout = NULL) future_exception(state, timeout),
  done = function() future_wait(state, 0),
  running = function() future_runs(state),
  cancel = function() future_cancel(state),
  cancelled = function() future_is_cancelled(state),
  add_done_callback = function(fn) future_add_callback(state, fn)
), compiler::cmpfun)

future_kind <- list(c("multiprocessing_future", "Future"), future_methods, lapply(names(future_methods), as.name)) # see async_kind

# TRUE if it is done within the time
future_wait <- function(state, timeout) {
  if (!is.null(state$outcome) || (length(state$owner$withdrawn) && future_is_cancelled(state))) {
    return(TRUE)
  }
  done <- if (is.null(state$owner$over)) outcome_take(state, timeout) else future_end(state)
  if (length(state$pool$pending)) deliver_callbacks(state$pool)
  done
}

future_settle <- function(state) if (is.null(state$owner$over)) outcome_settle(state, 0) else future_end(state)

# After $terminate_workers()
future_end <- function(state) {
  tryCatch(outcome_take(state, 0), CancelledError = function(e) {
    state$outcome <- list(error = pool_failure("the workers of this executor were terminated before this call was done"))
    TRUE
  })
}

# The pool ended by itself: as Python's BrokenProcessPool
pool_failure <- function(why) new_condition(error_classes("BrokenProcessPool"), why)

future_exception <- function(state, timeout) {
  future_await(state, timeout)
  if (isTRUE(state$outcome$cancelled)) raise(state$outcome$error)
  state$outcome$error
}

future_await <- function(state, timeout) {
  if (!future_wait(state, timeout)) abort("TimeoutError", paste0("the future is not done", waited(timeout)))
}

future_runs <- function(state) !future_wait(state, 0) && pool_claimed(state$pool$ptr, outcome_job(state))

future_is_cancelled <- function(state) {
  withdrawn <- state$owner$withdrawn
  if (is.null(state$outcome) && length(withdrawn)) {
    id <- as.character(outcome_job(state))
    if (!is.null(withdrawn[[id]])) {
      rm(list = id, envir = withdrawn)
      future_set_cancelled(state)
    }
  }
  isTRUE(state$outcome$cancelled)
}

future_set_cancelled <- function(state) {
  error <- new_condition(c("CancelledError", "multiprocessing_error", "error"), "the future was cancelled before a worker began it")
  state$outcome <- list(error = error, cancelled = TRUE)
}

future_cancel <- function(state) {
  if (future_is_cancelled(state)) {
    return(TRUE)
  }
  if (!is.null(state$outcome) || !pool_withdraw(state$pool$ptr, outcome_job(state))) {
    return(FALSE)
  }
  future_set_cancelled(state)
  if (length(state$callbacks)) state$pool$due <- TRUE
  deliver_callbacks(state$pool)
  TRUE
}

future_add_callback <- function(state, fn) {
  check_function(fn, "fn")
  if (future_wait(state, 0)) {
    call_future_callback(fn, state$self)
    return(invisible())
  }
  state$callbacks <- c(state$callbacks, fn)
  if (length(state$callbacks) == 1L) {
    await_in_callbacks(list(id = outcome_job(state), private = state$pool), function() {
      if (is.null(state$outcome) && !future_is_cancelled(state) && !future_settle(state)) {
        return(NULL)
      }
      callbacks <- state$callbacks
      state$callbacks <- NULL
      function() for (fn in callbacks) call_future_callback(fn, state$self)
    })
  }
  invisible()
}

call_future_callback <- function(fn, future) {
  tryCatch(fn(future), error = function(e) {
    warning(sprintf("a callback of a future failed: %s", message_of(e)), call. = FALSE)
  })
}

#' @export
format.multiprocessing_future <- function(x, ...) {
  state <- x$.state
  what <- if (x$cancelled()) {
    "cancelled"
  } else if (future_wait(state, 0)) {
    error <- state$outcome$error
    if (is.null(error)) paste("finished, returned", describe_value(state$outcome$value)) else paste("finished, raised", class(error)[1L])
  } else if (x$running()) {
    "running"
  } else {
    "pending"
  }
  sprintf("<Future (%s)>", what)
}

#' @export
print.multiprocessing_future <- function(x, ...) {
  cat(format(x), "\n", sep = "")
  invisible(x)
}

# --- several futures ---

check_futures <- function(fs) {
  if (is_future(fs)) fs <- list(fs)
  if (!is.list(fs) || !all(vapply(fs, is_future, TRUE))) {
    abort("ValueError", sprintf("`fs` must be a list of futures, such as $submit() returns, not %s", describe_value(fs)))
  }
  fs[!duplicated(fs)]
}

#' @rdname Future
#' @export
wait_futures <- function(fs, timeout = NULL, return_when = "ALL_COMPLETED") {
  if (missing(fs)) missing_argument("fs")
  fs <- unname(check_futures(fs))
  known <- c("ALL_COMPLETED", "FIRST_COMPLETED", "FIRST_EXCEPTION")
  if (!is.character(return_when) || length(return_when) != 1L || !return_when %in% known) {
    abort("ValueError", sprintf(
      "`return_when` must be %s, not %s", paste0('"', known, '"', collapse = ", "), describe_value(return_when)
    ))
  }
  until <- deadline_of(timeout)
  if (return_when == "ALL_COMPLETED") {
    for (f in fs) if (!future_wait(f$.state, time_left(until))) break
  }
  done <- vapply(fs, function(f) f$done(), TRUE)
  failed <- function(f) !f$cancelled() && !is.null(f$exception(0))
  enough <- function(done) switch(return_when,
    ALL_COMPLETED = FALSE,
    FIRST_COMPLETED = any(done),
    FIRST_EXCEPTION = any(vapply(fs[done], failed, TRUE))
  )
  over <- return_when == "ALL_COMPLETED" || enough(done)
  while (!over && !all(done)) {
    ready <- wait_for_futures(fs[!done], time_left(until))
    if (!any(ready)) break
    new <- which(!done)[ready]
    done[new] <- TRUE
    over <- enough(new)
  }
  list(done = fs[done], not_done = fs[!done])
}

# Which futures are done, once one is or the time is up
wait_for_futures <- function(fs, timeout) {
  items <- lapply(fs, function(f) waitable(f)$of)
  wait_any(items, rep("result", length(items)), timeout)
}

#' @rdname Future
#' @export
as_completed <- function(fs, timeout = NULL) {
  if (missing(fs)) missing_argument("fs")
  fs <- unname(check_futures(fs))
  total <- length(fs)
  until <- deadline_of(timeout)
  done <- list()
  given <- 0L # how many of `done`; they are taken out in place, as a list without its first element is a copy of all others
  new_iterator(
    more = function() length(fs) > 0L || given < length(done),
    take = function() {
      if (given == length(done)) {
        ready <- wait_for_futures(fs, time_left(until))
        if (!any(ready)) {
          abort("TimeoutError", sprintf("%d of %d futures are not done%s", length(fs), total, waited(timeout)))
        }
        suspendInterrupts({
          done <<- fs[ready]
          fs <<- fs[!ready]
          given <<- 0L
        })
      }
      suspendInterrupts({
        given <<- given + 1L
        future <- done[[given]]
        done[given] <<- list(NULL)
      })
      future$done() # takes its outcome
      future
    }
  )
}

# An iterator as that of a pool, made of two functions. `end`: what is left will not be asked for.
new_iterator <- function(more, take, end = function() NULL) {
  force(end)
  self <- new.env(parent = emptyenv())
  self$has_next <- function() more()
  self$next_value <- function() {
    if (!more()) abort("StopIteration", "StopIteration")
    take()
  }
  self$nextElem <- self$next_value
  lockEnvironment(self, bindings = TRUE)
  class(self) <- c("FutureIterator", "PoolIterator", "iter")
  self
}

# A Ctrl-C ends it: as in Python, calls that no worker has begun are cancelled.
#' @export
as.list.FutureIterator <- function(x, ...) {
  complete <- FALSE
  on.exit(if (!complete) environment(.subset2(x, "has_next"))$end())
  values <- NextMethod()
  complete <- TRUE
  values
}

#' @export
format.FutureIterator <- function(x, ...) sprintf("<FutureIterator (%s)>", if (x$has_next()) "more to come" else "at its end")

#' @export
print.FutureIterator <- function(x, ...) {
  cat(format(x), "\n", sep = "")
  invisible(x)
}
