#' Semaphores between processes
#'
#' A semaphore has permits: `$acquire()` takes one, and waits while there is none; `$release()` gives one back, or adds one.
#' A `BoundedSemaphore` never has more than at the beginning. A semaphore may be captured by, given to, or sent to any process
#' of the session.
#'
#' A permit that `$acquire()` took belongs to no process: any process may release it, and if the one that took it dies it does
#' not come back. A permit that `with(semaphore, ...)` took comes back when its process dies, however that happens.
#'
#' @param value the number of permits at the beginning.
#' @section Methods:
#' - `$acquire(block = TRUE, timeout = NULL)`: `TRUE` once a permit was taken, `FALSE` if that took longer than `timeout` seconds
#'   (`NULL`: no limit; 0, or `block = FALSE`: does not wait).
#' - `$release()`: for a `BoundedSemaphore` an error of class `ValueError` if it has all its permits.
#' - `$get_value()`: the number of permits that are free.
#'
#' `with(semaphore, expr)` takes a permit, evaluates `expr` where it was written, and always gives it back.
#'
#' @section Errors: `ValueError` (bad arguments, too many releases), `HeapFullError` (no memory for another one).
#' @return A handle.
#' @section Python: `multiprocessing.Semaphore(value)`, `multiprocessing.BoundedSemaphore(value)`; `with semaphore:`.
#' @seealso [Lock()] for one holder at a time, [Event()], [Condition()], [Barrier()].
#' @concept counting semaphore
#' @concept limit how many processes work at once
#' @examples
#' semaphore <- Semaphore(2)
#' semaphore$acquire()
#' semaphore$acquire()
#' semaphore$acquire(block = FALSE)
#' semaphore$acquire(timeout = 0.1)
#' semaphore$get_value()
#' semaphore$release()
#' with(semaphore, cat("at most two processes are here\n"))
#' bounded <- BoundedSemaphore(1)
#' tryCatch(bounded$release(), ValueError = function(e) "it has all its permits")
#' @export
Semaphore <- function(value = 1L) new_semaphore(value, FALSE)

#' @rdname Semaphore
#' @export
BoundedSemaphore <- function(value = 1L) new_semaphore(value, TRUE)

new_semaphore <- function(value, bounded) {
  check_count(value, "value")
  if (value > .Machine$integer.max) {
    abort("ValueError", sprintf("`value` must be at most %d, not %s", .Machine$integer.max, format(value)))
  }
  SemaphoreHandle$new(semaphore_create(value, bounded))
}

semaphore_methods <- function(self, private, ptr) list(
  acquire = function(block = TRUE, timeout = NULL) .Call(`_multiprocessing_semaphore_acquire`, ptr, block, timeout),
  release = function() invisible(.Call(`_multiprocessing_semaphore_release`, ptr)),
  get_value = function() semaphore_permits(ptr),
  format = function(...) unless_closed(self, ptr, {
    class <- if (semaphore_is_bounded(ptr)) "BoundedSemaphore" else "Semaphore"
    sprintf("<%s #%s, value %.0f>", class, handle_id(ptr), semaphore_permits(ptr))
  })
)

SemaphoreHandle <- handle_class("Semaphore", semaphore_methods)

#' @param data a semaphore.
#' @param expr an expression, evaluated in the frame of the caller.
#' @param ... not used.
#' @rdname Semaphore
#' @export
with.Semaphore <- function(data, expr, ...) {
  if (missing(expr)) missing_argument("expr")
  suspendInterrupts(with_permit(private_of(data)$ptr, expr))
}

# As with_lock(): Ctrl-C never comes between acquiring the permit and being sure to release it.
with_permit <- function(ptr, expr) {
  owned <- semaphore_owned(ptr)
  on.exit(if (semaphore_owned(ptr) > owned) semaphore_leave(ptr))
  allowInterrupts({
    semaphore_enter(ptr)
    expr
  })
}
