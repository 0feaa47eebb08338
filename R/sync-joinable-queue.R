#' A queue whose messages are tasks to be done
#'
#' A [Queue()] that knows which messages are not done yet: those that lie in it, and those that a process has taken and not marked
#' with `$task_done()`. `$join()` waits until there are none.
#'
#' @param maxsize the most messages that the queue holds; 0 (the default): as many as memory allows.
#' @section Methods: those of a [Queue()], and
#' - `$task_done()`: a message that this process has taken is done. (If it has taken none: one that another process has taken.) One call
#'   more than messages were taken is an error of class `ValueError`.
#' - `$join()`: waits until every message that was put has been taken and marked as done.
#'
#' @section Deaths: If a process ends, or is killed, between `$get()` and `$task_done()`, its tasks would never be done. Then `$join()` does not
#'   wait for them: it signals an error of class `WorkerDiedError`, once, with fields `pid` and `tasks` (how many). Another `$join()`
#'   waits for the others. If the tasks must be done, put them again.
#' @section Errors: those of a [Queue()]; `ValueError` (too many `$task_done()`), `WorkerDiedError`.
#' @return A handle of class `JoinableQueue`.
#' @section Python: `multiprocessing.JoinableQueue(maxsize)`.
#' @seealso [Queue()], [Pool()], which does all this for you.
#' @concept task queue
#' @examples
#' tasks <- JoinableQueue(maxsize = 10)
#' done <- Queue()
#' worker <- Process(function() {
#'   repeat {
#'     done$put(sqrt(tasks$get()))
#'     tasks$task_done()
#'   }
#' }, daemon = TRUE)
#' worker$start()
#' for (x in 1:3) tasks$put(x)
#' tasks$join()
#' done$qsize()
#' worker$terminate()
#' worker$join()
#' @export
JoinableQueue <- function(maxsize = 0L) JoinableQueueHandle$new(queue_create_joinable(queue_limit(maxsize)))

joinable_queue_methods <- function(self, private, ptr) {
  utils::modifyList(queue_methods(self, private, ptr), list(
    task_done = function() invisible(queue_task_done(ptr)),
    join = function() invisible(joinable_queue_join(ptr)),
    format = function(...) unless_closed(self, ptr, {
      sprintf("<JoinableQueue #%s, %.0f messages, %.0f not done>", handle_id(ptr), queue_size(ptr), queue_unfinished(ptr))
    })
  ))
}

JoinableQueueHandle <- handle_class(c("JoinableQueue", "Queue"), joinable_queue_methods)

joinable_queue_join <- function(ptr) {
  lost <- queue_join(ptr)
  if (lost[1L] > 0) {
    stop(new_condition(
      c("WorkerDiedError", "ProcessError", "multiprocessing_error", "error"),
      sprintf(
        "process %.0f ended before it had marked what it took as done: %.0f %s of the queue will not be done; put them again, or $join() once more to wait for the others",
        lost[2L], lost[1L], if (lost[1L] == 1) "task" else "tasks"
      ),
      pid = as.integer(lost[2L]), tasks = as.integer(lost[1L])
    ))
  }
}
