# The package's functions with a start method of their own.

#' @rdname get_start_method
#' @export
get_context <- function(method = NULL) {
  own <- if (is.null(method)) get_start_method() else check_method(method)
  with_method <- function(f) {
    formals(f)$context <- own
    f
  }
  structure(
    list(
      method = own, Process = with_method(Process), Pool = with_method(Pool), Lock = Lock, RLock = RLock,
      Semaphore = Semaphore, BoundedSemaphore = BoundedSemaphore, Event = Event, Condition = Condition, Barrier = Barrier,
      Value = Value, Array = Array, JoinableQueue = JoinableQueue, Manager = Manager,
      Queue = Queue, SimpleQueue = SimpleQueue, Pipe = Pipe, cpu_count = cpu_count, current_process = current_process,
      parent_process = parent_process, active_children = active_children, get_logger = get_logger,
      log_to_stderr = log_to_stderr, get_all_start_methods = get_all_start_methods, get_start_method = function() own,
      get_context = function(method = NULL) get_context(if (is.null(method)) own else method),
      set_start_method = function(method, force = FALSE) {
        abort("ValueError", sprintf("a context keeps its start method, \"%s\": use set_start_method() itself, or another get_context()", own))
      }
    ),
    class = "multiprocessing_context"
  )
}

#' @export
print.multiprocessing_context <- function(x, ...) {
  cat("<multiprocessing context: ", x$method, ">\n", sep = "")
  invisible(x)
}
