#' Locks between processes
#'
#' `Lock()` creates a lock that one process at a time can hold; `RLock()` one that its owner may acquire again. A lock may be
#' captured by, given to, or sent to any process of the session.
#'
#' @section Methods:
#' - `$acquire(block = TRUE, timeout = NULL)`: `TRUE` once the lock is acquired, `FALSE` if that took longer than `timeout`
#'   seconds (`NULL`: no limit; 0, or `block = FALSE`: does not wait).
#' - `$release()`: an error of class `ValueError` if the lock is not held. Any process may release a `Lock`; only its owner may
#'   release an `RLock`, once for each `$acquire()`.
#' - `$locked()`: whether a process holds the lock.
#'
#' `with(lock, expr)` acquires, evaluates `expr` where it was written, and always releases. Waiting without a timeout for a
#' `Lock` that this process already holds is an error of class `DeadlockError`. Printing a lock shows which process holds it.
#'
#' R looks for an S3 method at each `$` of an object that has a class, which takes as long as the lock itself. Where a million
#' acquisitions count, take the methods once: `acquire <- lock$acquire`, `release <- lock$release`.
#'
#' @section When the owner dies:
#' When the process that holds a lock dies, at any moment, the lock goes to the next process that acquires it. That process gets a
#' warning of class `OwnerDiedWarning`: what the lock protects may be half changed. The warning is signalled when the lock is
#' acquired already. So `tryCatch(lock$acquire(), OwnerDiedWarning = function(w) ...)` leaves `$acquire()` **with the lock held**, and
#' the handler must call `lock$release()` at its end. Simpler is [withCallingHandlers()], whose handler repairs and continues, as in
#' the last example. `with(lock, expr)` releases the lock in any case; if a handler of [tryCatch()] takes the warning, `expr` is not
#' evaluated.
#'
#' @section Processes that wait for each other:
#' A deadlock is a circle of processes, each of which waits without a timeout for a lock that the next one holds, or for its end
#' (`$join()`). Within two seconds the process that began to wait last gets an error of class `DeadlockError`. The error names the
#' processes, the locks (by the numbers that printing them shows) and how long each has waited. A `with()` around the call then
#' releases what this process holds, and the others continue. A `Lock` that one process
#' has released for another is not counted as held: any process may release it. For such locks use a [Semaphore()], or give a
#' `timeout`; the first such release may come too late to be known.
#'
#' @section Errors: `ValueError` (bad arguments, `$release()` of a lock that is not held, or by another than an `RLock`'s owner),
#'   `DeadlockError`, `HeapFullError` (no memory for another lock), `TimeoutError` (a process is stopped,
#'   see [multiprocessing-package]).
#' @return A handle.
#' @section Python: `multiprocessing.Lock()`, `multiprocessing.RLock()`; `with lock:`.
#' @seealso [Semaphore()], [Condition()], [Event()], [Barrier()], [Value()], whose numbers have a lock.
#' @concept mutex
#' @concept mutual exclusion
#' @concept deadlock
#' @concept OwnerDiedWarning
#' @examples
#' lock <- Lock()
#' lock$acquire()
#' lock$locked()
#' lock$release()
#' with(lock, cat("no other process prints now\n"))
#' lock$acquire(timeout = 1) # at most a second
#' lock$acquire(block = FALSE) # FALSE at once: it is held
#' lock$release()
#' again <- RLock()
#' with(again, with(again, "twice by the same process"))
#'
#' # the owner is killed; the next process is told, and repairs what the lock protects
#' p <- Process(function() {
#'   lock$acquire()
#'   tools::pskill(Sys.getpid(), tools::SIGKILL)
#' })
#' p$start()
#' p$join()
#' withCallingHandlers(
#'   with(lock, "the lock is held here"),
#'   OwnerDiedWarning = function(w) {
#'     cat("repaired\n")
#'     invokeRestart("muffleWarning")
#'   }
#' )
#' @export
Lock <- function() LockHandle$new(lock_create(FALSE))

#' @rdname Lock
#' @export
RLock <- function() LockHandle$new(lock_create(TRUE))

lock_methods <- function(self, private, ptr) list(
  acquire = function(block = TRUE, timeout = NULL) .Call(`_multiprocessing_lock_acquire`, ptr, block, timeout),
  release = function() invisible(.Call(`_multiprocessing_lock_release`, ptr)),
  locked = function() lock_holder(ptr) != 0L,
  format = function(...) handle_format(self, ptr, lock_state)
)

LockHandle <- handle_class("Lock", lock_methods)

lock_state <- function(ptr) {
  holder <- lock_holder(ptr)
  if (holder == 0L) {
    "free"
  } else if (holder == Sys.getpid()) {
    sprintf("held by this process, pid %d", holder)
  } else {
    sprintf("held by process %d %s", holder, process_role(holder))
  }
}

# Called by the binding
warn_owner_died <- function() {
  warning(new_condition(
    c("OwnerDiedWarning", "warning"),
    "the process that held this lock died while it held it; what the lock protects may be half changed",
    call = user_call()
  ))
}

#' @param data a lock.
#' @param expr an expression, evaluated in the frame of the caller.
#' @param ... not used.
#' @rdname Lock
#' @export
with.Lock <- function(data, expr, ...) {
  if (missing(expr)) missing_argument("expr")
  suspendInterrupts(with_lock(private_of(data)$ptr, expr))
}

# Ctrl-C is let in only while we wait for the lock or evaluate: never between acquiring it and being sure to release it.
with_lock <- function(ptr, expr, warn = TRUE) {
  held <- lock_depth(ptr)
  on.exit(if (lock_depth(ptr) > held) .Call(`_multiprocessing_lock_release`, ptr))
  allowInterrupts({
    if (lock_enter(ptr) && warn) warn_owner_died()
    expr
  })
}
