#' A condition: wait until another process notifies
#'
#' A condition belongs to a lock that guards what processes share. A process that holds the lock and finds that it must wait
#' calls `$wait()`: the lock is free while it waits, and held again when `$wait()` returns. A process that has changed what is
#' shared calls `$notify()`, with the lock held. A condition may be captured by, given to, or sent to any process of the session.
#'
#' @param lock a [Lock()] or [RLock()]; `NULL`: an `RLock()` of its own.
#' @section Methods:
#' - `$acquire(block = TRUE, timeout = NULL)`, `$release()`: those of the lock. `with(condition, expr)` does both.
#' - `$wait(timeout = NULL)`: `TRUE` once notified, `FALSE` if that took longer than `timeout` seconds (`NULL`: no limit). The
#'   lock is held again in either case, however often it was held before.
#' - `$wait_for(predicate, timeout = NULL)`: waits until `predicate()` is true, and returns its last value. It is called with the
#'   lock held, at once and after each notification.
#' - `$notify(n = 1L)`: wakes the `n` processes that have waited longest, or all if there are fewer. `$notify_all()`: wakes all.
#'
#' @section Deaths:
#' A notification reaches a process that lives: if the process for which it was meant is killed before its `$wait()` returns, the
#' next one that waits has it. If a process is killed while it holds the lock, the next one that gets it is told by a warning of
#' class `OwnerDiedWarning`, also from `$wait()`. It holds the lock then, and must release it, see [Lock()].
#' @section Interrupts: Ctrl-C ends `$wait()` when it has the lock again; a second Ctrl-C does not wait for that.
#' @section Errors: `ValueError` (bad arguments, the lock is not held by this process), `HeapFullError` (no memory for another one).
#' @return A handle of class `Condition`.
#' @section Python: `multiprocessing.Condition(lock)`; `with condition:`.
#' @seealso [Lock()], [Event()], [Queue()], which is often all that is needed.
#' @concept condition variable
#' @concept wait and notify
#' @examples
#' condition <- Condition()
#' box <- Queue()
#' p <- Process(function() {
#'   with(condition, {
#'     box$put("something")
#'     condition$notify()
#'   })
#' })
#' with(condition, {
#'   p$start()
#'   condition$wait_for(function() !box$empty(), timeout = 10)
#' })
#' p$join()
#'
#' # two conditions of one lock
#' lock <- Lock()
#' not_empty <- Condition(lock)
#' not_full <- Condition(lock)
#' with(lock, not_full$wait(timeout = 0.1))
#' if (not_empty$acquire(block = TRUE, timeout = 10)) {
#'   not_empty$notify(n = 2) # wakes two
#'   not_full$notify_all()
#'   not_empty$release()
#' }
#' @export
Condition <- function(lock = NULL) {
  if (!is.null(lock) && !inherits(lock, "Lock")) {
    abort("ValueError", sprintf("`lock` must be a Lock() or an RLock(), not %s", describe_value(lock)))
  }
  ConditionHandle$new(condition_create(if (!is.null(lock)) private_of(lock)$ptr))
}

condition_methods <- function(self, private, ptr) {
  private$lock <- condition_lock_pointer(ptr)
  list(
    acquire = function(block = TRUE, timeout = NULL) .Call(`_multiprocessing_lock_acquire`, private$lock, block, timeout),
    release = function() invisible(.Call(`_multiprocessing_lock_release`, private$lock)),
    wait = function(timeout = NULL) condition_wait(ptr, timeout),
    wait_for = function(predicate, timeout = NULL) condition_wait_for(ptr, predicate, timeout),
    notify = function(n = 1L) invisible(condition_notify(ptr, check_count(n, "n"))),
    notify_all = function() invisible(condition_notify(ptr, Inf)),
    format = function(...) unless_closed(self, ptr, {
      holder <- lock_holder(private$lock)
      sprintf(
        "<Condition #%s, %s, %d waiting>", handle_id(ptr),
        if (holder == 0L) "not held" else sprintf("held by process %d", holder), condition_waiters(ptr)
      )
    })
  )
}

ConditionHandle <- handle_class("Condition", condition_methods)

condition_wait_for <- function(ptr, predicate, timeout) {
  check_function(predicate, "predicate")
  until <- deadline_of(timeout)
  repeat {
    value <- predicate()
    left <- time_left(until)
    if (value || identical(left, 0)) {
      return(value)
    }
    condition_wait(ptr, left)
  }
}

#' @param data a condition.
#' @param expr an expression, evaluated in the frame of the caller.
#' @param ... not used.
#' @rdname Condition
#' @export
with.Condition <- function(data, expr, ...) {
  if (missing(expr)) missing_argument("expr")
  suspendInterrupts(with_lock(private_of(data)$lock, expr))
}
