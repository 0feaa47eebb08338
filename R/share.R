#' Values in shared memory
#'
#' `share()` puts the large vectors of a value into the session's shared memory, once. What it returns is an ordinary
#' vector or list, for all that R does with it: computing with it, changing it, saving it. But when it is sent to
#' another process, as an argument of a pool's function, through a queue or a pipe, as the value of a process, or
#' within the variables of a function, its vectors travel as references, without being copied, however large they are.
#'
#' Large vectors that are sent (from 256 kB on) go through shared memory anyway. `share()` is for values that are sent
#' several times. What a process receives is an ordinary vector. Where R's memory allows it, its pages are those in shared memory.
#' Elsewhere a vector of up to 64 MB is copied (fewer if the session has so many processes that their copies would fill the
#' machine's memory); a larger one never is.
#'
#' A process that modifies a shared vector gets its own copy of the pages that it touches; no other process sees the
#' change. Such a vector is no longer shared, and travels as it is now. The memory is given back when no process has the
#' vector any more and no message or job refers to it.
#'
#' @param x A value. For `share()`: numbers, logicals, complex numbers and raw bytes, on their own or in lists and data
#'   frames with any attributes; other parts stay as they are. Values that contain functions, environments or S4 objects
#'   cannot be shared as a whole.
#' @return `share()`: the value, with its vectors in shared memory: `x` itself, if it is a vector of such a type, and
#'   all those of at least 4 kB within a list. `is_shared()`: `TRUE` if `x` is such a vector that was not changed since,
#'   or a list in which all vectors of at least 4 kB are. `memory_usage()`: a data frame with a row for each block of
#'   the session's shared memory: its number `id`; `kind`, `"data"` for values, otherwise the kind of object; `bytes`;
#'   `holders`, a list of the processes (pids) that have it; `references`, how many messages, jobs and other objects
#'   refer to it; `creator`, the pid of the process that created it, `NA` if it has ended. It prints sizes in units, the
#'   roles of the holders, and totals.
#' @section Errors: `ValueError` (a value that cannot be shared), `HeapFullError` (no memory), `TimeoutError` (a process is
#'   stopped, see [multiprocessing-package]).
#' @section Python: `multiprocessing.shared_memory.SharedMemory`, without names, sizes in bytes and unlinking.
#' @seealso [SharedMemory()] for Python's named segments; [Value()] and [Array()] for numbers that all processes may change;
#'   [what-travels].
#' @concept shared memory
#' @concept large data
#' @concept copy on write
#' @concept memory usage
#' @examples
#' x <- share(as.numeric(1:1e6))
#' is_shared(x)
#' sum(x)
#' y <- x
#' y[1] <- 0 # a change of y alone
#' c(is_shared(x), is_shared(y))
#' memory_usage() # what is in shared memory, how large, and which processes have it
#' sum(memory_usage()$bytes)
#' @export
share <- function(x) {
  if (missing(x)) missing_argument("x")
  shared <- share_value(x)
  if (is.null(shared) && !is.null(x)) {
    abort(
      "ValueError",
      "only plain values can be shared: vectors, lists and data frames, without functions or environments in them"
    )
  }
  shared
}

#' @rdname share
#' @export
is_shared <- function(x) {
  if (missing(x)) missing_argument("x")
  is_shared_value(x)
}

