#' @section What to use:
#' - [Pool()], [AsyncResult]: workers that compute many elements; [ProcessPoolExecutor()]: the same by futures. [Process()]: one function in a
#'   process of its own.
#' - [Lock()], [Semaphore()], [Event()], [Condition()], [Barrier()]: processes take turns, and wait for each other.
#' - [Queue()], [Pipe()], [wait()]: messages between processes.
#' - [Value()], [Array()], [Manager()]: numbers, dictionaries and lists that every process may change.
#' - [SharedMemory()], [Listener()]: memory and connections of programs that did not start each other, also Python's.
#' - [log_to_stderr()]: what processes and pools do, as a log.
#' - [python-names]: Python's names, and those of this package beside them.
#' - [share()]: large data, and which processes hold them.
#' - [mclapply()], [mcmapply()], [pvec()], [mcparallel()]: in place of package parallel's.
#' - [thread_map()], [cpp_fun()]: compiled functions in threads.
#' - [get_start_method()], [current_process()]: fork or spawn; which processes there are.
#'
#' `vignette("multicore")` is a tutorial, with five programs in Python and in R; `vignette("faq")` answers questions.
#'
#' @section Errors:
#' Every error has the class `multiprocessing_error`, and before it one of these:
#' - `ValueError`: an argument is wrong, or the object is closed. `IndexError`, `KeyError`: no such element.
#' - `BrokenBarrierError`: see [Barrier()].
#' - `TaskError`: the function failed. Fields `parent` (its own condition, whose classes the error has as well), `index`
#'   (of the element), `pid`, `traceback`.
#' - `WorkerDiedError`: a process died before it had a result. Fields `index`, `pid`, `signal` or `exitcode` (the other one is
#'   `NA`), `peak_memory` in bytes.
#' - `TimeoutError`: more than `timeout` or `task_timeout` seconds; or a process is stopped, see below.
#' - `Empty`, `Full`: the queue stayed so until the `timeout`. `EOFError`, `BrokenPipeError`: all processes have closed the
#'   other end of the pipe.
#' - `StopIteration`: an iterator is at its end. `CancelledError`: the job was cancelled.
#' - `DeadlockError`: a process would wait for itself, or processes wait for each other, so that no wait could end; see [Lock()].
#' - `ProcessError`: a process could not be started, was not started, or is not allowed to do this.
#' - `EncodingError`: a value that cannot be sent to another process, such as a connection; the message says where it is.
#' - `HeapFullError`, `MemoryError`: shared memory, or that of this process, is full.
#' - `CompileError`, `RuntimeError`: compiled functions, see [cpp_fun()]. `RuntimeError` also: an executor that was shut down.
#' - `BrokenProcessPool`: the workers of an executor cannot start, see [Future].
#' - `AuthenticationError`, `OSError`, `ConnectionRefusedError`, `FileExistsError`, `FileNotFoundError`, `PermissionError`: sockets and
#'   memory with a name, see [Listener()] and [SharedMemory()].
#'
#' The warning `OwnerDiedWarning` comes from a lock whose owner died, see [Lock()].
#'
#' @section Stopped processes:
#' A process may be stopped (SIGSTOP, a debugger) just while it works on the shared memory. All others are kept out then. A call
#' that needs this memory, or that waits for a child which does (`$join()`, `$value()`, [wait()], a pool's results), fails after
#' about 10 seconds with a `TimeoutError`, even without a `timeout`; so do calls with a longer `timeout` that would fail with
#' `Empty` or `Full`. The message names the stopped process, and nothing has changed: continue it (`kill -CONT pid`) or end it
#' (`kill -KILL pid`), and call again. A process that is stopped anywhere else is waited for like any other.
#'
#' @seealso `vignette("multicore")`, [Pool()], [mclapply()], [python-names].
#' @concept parallel computing
#' @concept many cores
#' @concept multicore
#' @concept killed worker
#' @concept out of memory
#' @concept timeout
#' @examples
#' tryCatch(Queue()$get(timeout = 0.1), multiprocessing_error = function(e) class(e)[1])
#' @keywords internal
#' @useDynLib multiprocessing, .registration = TRUE
#' @importFrom R6 R6Class
#' @importFrom compiler enableJIT
"_PACKAGE"

.onLoad <- function(libname, pkgname) {
  if (requireNamespace("iterators", quietly = TRUE)) {
    registerS3method("nextElem", "PoolIterator", nextElem.PoolIterator, envir = asNamespace("iterators"))
  }
}
