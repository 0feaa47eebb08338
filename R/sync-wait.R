#' Wait for any of several things
#'
#' `wait()` returns as soon as one of several things is ready: a message can be received, an event is set, a process has ended, a
#' result is available. It uses no CPU while it waits.
#'
#' @param object_list a list of connections (ready: a message or end-of-file), queues (ready: a message), events (ready:
#'   set), processes (ready: ended; their `$sentinel` does as well), results of a pool and futures (ready: done).
#' @param timeout seconds; `NULL` waits without a limit, 0 or less does not wait.
#' @return Those of the list that are ready, in the same order; an empty list if none was ready in time, or
#'   if `object_list` is empty.
#' @section Errors: `ValueError` (something that cannot be waited for), `ProcessError` (a process that was not started),
#'   `TimeoutError` (a process is stopped, see [multiprocessing-package]).
#' @section Python: `multiprocessing.connection.wait()`.
#' @seealso [Queue()], [Pipe()], [Event()], [Process()], [AsyncResult], [Future], [Listener()]: what it waits for;
#'   [wait_futures()].
#' @concept select
#' @concept poll
#' @examples
#' a <- Pipe()
#' b <- Pipe()
#' a[[1]]$send(1)
#' length(wait(list(a[[2]], b[[2]]), timeout = 1))
#' p <- Process(function() NULL)
#' p$start()
#' length(wait(list(p, Event())))
#' @export
wait <- function(object_list, timeout = NULL) {
  if (missing(object_list)) missing_argument("object_list")
  if (!is.list(object_list) || inherits(object_list, c("R6", "multiprocessing_handle"))) {
    abort("ValueError", "`object_list` must be a list of connections, queues, events, processes and results")
  }
  if (!length(object_list)) {
    return(object_list) # nothing would ever be ready
  }
  session$before_wait()
  is_socket <- vapply(object_list, inherits, TRUE, "SocketConnection")
  if (any(is_socket)) {
    return(object_list[wait_with_sockets(object_list, is_socket, timeout)])
  }
  object_list[wait_for_items(object_list, timeout)]
}

# Which items are ready, once one is or the time is up
wait_for_items <- function(object_list, timeout) {
  items <- lapply(object_list, waitable)
  kinds <- vapply(items, function(item) item$kind, "")
  wait_any(lapply(items, function(item) item$of), kinds, timeout)
}

# The system wakes a process for a socket or for its doorbell, not for both: they are checked in turn.
wait_with_sockets <- function(object_list, is_socket, timeout) {
  ready <- logical(length(object_list))
  sockets <- lapply(object_list[is_socket], function(x) private_of(x)$ptr)
  until <- deadline_of(timeout)
  repeat {
    left <- time_left(until)
    step <- if (is.null(left)) socket_tick else min(left, socket_tick)
    ready[is_socket] <- vapply(sockets, socket_poll, TRUE, 0)
    if (all(is_socket)) {
      if (!any(ready)) socket_poll(sockets[[1L]], step)
      ready[is_socket] <- ready[is_socket] | vapply(sockets, socket_poll, TRUE, 0)
    } else {
      ready[!is_socket] <- wait_for_items(object_list[!is_socket], if (any(ready)) 0 else step)
    }
    if (any(ready) || identical(left, 0)) {
      return(ready)
    }
  }
}

socket_tick <- 0.01

waitable <- function(x) {
  if (inherits(x, "Connection")) {
    return(list(kind = "connection", of = private_of(x)$ptr))
  }
  if (inherits(x, c("Queue", "SimpleQueue", "JoinableQueue"))) {
    return(list(kind = "queue", of = private_of(x)$ptr))
  }
  if (inherits(x, "Event")) {
    return(list(kind = "event", of = private_of(x)$ptr))
  }
  if (inherits(x, "Process")) {
    return(list(kind = "process", of = started_ptr(private_of(x))))
  }
  if (inherits(x, "multiprocessing_sentinel")) {
    return(list(kind = "process", of = x$ptr))
  }
  if (is_future(x)) {
    state <- x$.state
    return(list(kind = "result", of = list(state$pool$ptr, if (x$cancelled() || !is.null(state$outcome)) 0L else pool_ticket_job(state$ticket))))
  }
  if (inherits(x, "multiprocessing_result")) {
    state <- x$.state
    return(list(kind = "result", of = list(state$pool$ptr, if (is.null(state$outcome)) pool_ticket_job(state$ticket) else 0L)))
  }
  abort("ValueError", sprintf("cannot wait for %s: give connections, queues, events, processes or results", describe_value(x)))
}

is_future <- function(x) inherits(x, "multiprocessing_future")
