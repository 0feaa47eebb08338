#' An event that processes wait for
#'
#' An event is set or not. `$wait()` waits until some process has set it. An event may be captured by, given to, or sent to any
#' process of the session, and stand in the list of [wait()].
#'
#' @section Methods:
#' - `$set()`: sets it, and wakes every process that waits. `$clear()`: it is not set any more.
#' - `$is_set()`: whether it is set.
#' - `$wait(timeout = NULL)`: `TRUE` once it is set, `FALSE` if that took longer than `timeout` seconds (`NULL`: no limit; 0:
#'   does not wait). A process that waits while the event is set and cleared again at once is woken all the same.
#'
#' @section Errors: `ValueError` (bad arguments), `HeapFullError` (no memory for another one).
#' @return A handle of class `Event`.
#' @section Python: `multiprocessing.Event()`.
#' @seealso [Condition()] to wait for a change of what several processes share, [Barrier()] to wait for each other, [wait()].
#' @concept signal between processes
#' @examples
#' event <- Event()
#' event$wait(0)
#' p <- Process(function(event) event$set(), list(event))
#' p$start()
#' event$wait()
#' p$join()
#' event$is_set()
#' event$clear()
#' @export
Event <- function() EventHandle$new(event_create())

event_methods <- function(self, private, ptr) list(
  set = function() invisible(.Call(`_multiprocessing_event_set`, ptr)),
  clear = function() invisible(.Call(`_multiprocessing_event_clear`, ptr)),
  is_set = function() .Call(`_multiprocessing_event_state`, ptr),
  wait = function(timeout = NULL) .Call(`_multiprocessing_event_wait`, ptr, timeout),
  format = function(...) unless_closed(self, ptr, {
    sprintf("<Event #%s, %s>", handle_id(ptr), if (event_state(ptr)) "set" else "not set")
  })
)

EventHandle <- handle_class("Event", event_methods)
