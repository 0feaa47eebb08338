#' Queues between processes
#'
#' First in, first out, any number of producers and consumers. `$put()` returns when the message is in shared memory: it
#' outlives its sender, also one that is killed. A producer that is killed in the middle of a put leaves nothing.
#'
#' @param maxsize The most messages that the queue holds; 0 (the default) or less: as many as memory allows.
#' @param ... Not used: an error that names the argument.
#' @section Methods:
#' - `$put(obj, block = TRUE, timeout = NULL)`: error `Full` if the queue had no room within `timeout` seconds.
#' - `$get(block = TRUE, timeout = NULL)`: error `Empty` if no message came within `timeout` seconds.
#' - `$put_nowait(obj)`, `$get_nowait()`: the same without waiting.
#' - `$qsize()`, `$empty()`, `$full()`: the state at the time of the call; another process may change it at once.
#' - `$close()`: this process can neither put nor get any more (`ValueError`). Other processes keep using the queue, with the
#'   messages that it holds.
#' - `$join_thread()`: returns at once; Python's queues have a thread that sends, ours need none.
#'
#' A `SimpleQueue()` has `$put(obj)`, `$get()`, `$empty()` and `$close()` only.
#'
#' @section Errors: `Full`, `Empty`, `ValueError` (bad arguments, a closed queue), `EncodingError` (a value that cannot travel),
#'   `HeapFullError` (no memory), `TimeoutError` (a process is stopped, see [multiprocessing-package]).
#' @return A handle.
#' @section Python: `multiprocessing.Queue(maxsize)`, `multiprocessing.SimpleQueue()`.
#' @seealso [JoinableQueue()] to wait until all was done; [Pipe()] for two processes; [Manager()] for dictionaries and
#'   lists; [wait()].
#' @concept message passing
#' @concept producer and consumer
#' @concept FIFO
#' @examples
#' q <- Queue(maxsize = 2)
#' q$put("hello")
#' q$put(list(1, "two"), block = TRUE, timeout = 1)
#' q$full()
#' tryCatch(q$put_nowait("no room"), Full = function(e) "two are its most")
#' q$qsize()
#' q$get()
#' q$get(timeout = 1)
#' tryCatch(q$get(block = FALSE), Empty = function(e) "nothing left")
#' tryCatch(Queue()$get_nowait(), Empty = function(e) "the queue is empty")
#' q$close() # for this process
#' q$join_thread()
#' simple <- SimpleQueue()
#' simple$put(1)
#' simple$empty()
#' @export
Queue <- function(maxsize = 0L, ...) {
  if (...length()) refuse_arguments("Queue", "maxsize", ...)
  QueueHandle$new(queue_create(queue_limit(maxsize), FALSE))
}

#' @rdname Queue
#' @export
SimpleQueue <- function() SimpleQueueHandle$new(queue_create(0, TRUE))

queue_limit <- function(maxsize) {
  if (!is.numeric(maxsize) || length(maxsize) != 1L || is.na(maxsize) || maxsize != trunc(maxsize)) {
    abort("ValueError", sprintf("`maxsize` must be one whole number, 0 for no limit, not %s", describe_value(maxsize)))
  }
  max(maxsize, 0)
}

queue_methods <- function(self, private, ptr) list(
  put = function(obj = required("obj"), block = TRUE, timeout = NULL) {
    invisible(.Call(`_multiprocessing_queue_put`, ptr, obj, block, timeout))
  },
  get = function(block = TRUE, timeout = NULL) .Call(`_multiprocessing_queue_get`, ptr, block, timeout),
  put_nowait = function(obj = required("obj")) invisible(.Call(`_multiprocessing_queue_put`, ptr, obj, FALSE, NULL)),
  get_nowait = function() .Call(`_multiprocessing_queue_get`, ptr, FALSE, NULL),
  qsize = function() queue_size(ptr),
  empty = function() queue_size(ptr) == 0,
  full = function() queue_is_full(ptr),
  close = function() invisible(queue_shut(ptr)),
  join_thread = function() invisible(NULL),
  format = function(...) handle_format(self, ptr, queue_state)
)

QueueHandle <- handle_class("Queue", queue_methods)

simple_queue_methods <- function(self, private, ptr) list(
  put = function(obj = required("obj")) invisible(.Call(`_multiprocessing_queue_put`, ptr, obj, TRUE, NULL)),
  get = function() .Call(`_multiprocessing_queue_get`, ptr, TRUE, NULL),
  empty = function() queue_size(ptr) == 0,
  close = function() invisible(queue_shut(ptr)),
  format = function(...) handle_format(self, ptr, queue_state)
)

SimpleQueueHandle <- handle_class("SimpleQueue", simple_queue_methods)

queue_state <- function(ptr) {
  size <- queue_size(ptr)
  limit <- queue_maxsize(ptr)
  if (limit == 0) counted(size, "message") else sprintf("%s of at most %.0f", counted(size, "message"), limit)
}
