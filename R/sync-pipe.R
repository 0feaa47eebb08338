#' A pipe between two processes
#'
#' Two connected ends. What is sent at one end is received at the other, in order. An end may be given to another process;
#' when every process that has it has closed it, or has ended, the other end reads end-of-file. A forked child has
#' both ends until it closes the one that it does not use, as in Python.
#'
#' @param duplex `FALSE`: the first end can only receive, the second only send.
#' @section Methods of a connection:
#' - `$send(obj)`: returns when the message is in shared memory; error `BrokenPipeError` if no process can receive it.
#' - `$recv()`: waits for a message; error `EOFError` if there is none and no process can send one.
#' - `$poll(timeout = 0)`: whether `$recv()` would return (or fail) at once, after waiting for at most `timeout` seconds.
#' - `$send_bytes(raw, offset = 0, size = NULL)`, `$recv_bytes(maxlength = NULL)`: the same for raw vectors. `size` bytes are sent, or all
#'   that follow, after the first `offset`. A message of more than `maxlength` bytes is an `OSError`, which has it as `value`.
#' - `$close()`, and the fields `$closed`, `$readable`, `$writable`.
#'
#' `with(end, expr)` evaluates `expr` and then closes this end.
#' @section Errors: `EOFError`, `BrokenPipeError`, `OSError` (a message longer than `maxlength`), `ValueError` (bad arguments, a closed end, or one that can only send or
#'   receive), `EncodingError` (a value that cannot travel), `HeapFullError` (no memory), `TimeoutError` (a process is stopped,
#'   see [multiprocessing-package]).
#' @return A list (of class `Pipe`) of two handles of class `Connection`: `ends[[1]]` and `ends[[2]]`. Printing an end shows
#'   what it can do, how many messages wait, and whether the other end is closed.
#' @section Python: `multiprocessing.Pipe(duplex)`.
#' @seealso [Queue()] for many senders and receivers; [Listener()] between programs; [wait()] for any of several.
#' @concept connection between processes
#' @concept message passing
#' @examples
#' ends <- Pipe()
#' p <- Process(function(end) end$send(toupper(end$recv())), args = list(ends[[2]]))
#' p$start()
#' ends[[1]]$send("hello")
#' ends[[1]]$recv()
#' p$join()
#'
#' one_way <- Pipe(duplex = FALSE)
#' one_way[[2]]$send_bytes(charToRaw("bytes"))
#' one_way[[1]]$poll(timeout = 1)
#' rawToChar(one_way[[1]]$recv_bytes(maxlength = 100))
#' one_way[[2]]$send_bytes(charToRaw("bytes"), offset = 1, size = 3)
#' rawToChar(one_way[[1]]$recv_bytes())
#' one_way[[2]]$close()
#' tryCatch(one_way[[1]]$recv(), EOFError = function(e) "the other end is closed")
#' @export
Pipe <- function(duplex = TRUE) {
  structure(lapply(pipe_create(check_flag(duplex, "duplex")), ConnectionHandle$new), class = "Pipe")
}

# A list of two connections. `ends[1]` for `ends[[1]]` keeps the class, so that `$` can explain the error.
#' @export
`[.Pipe` <- function(x, i) {
  ends <- unclass(x)[i]
  if (length(ends) == 2L) x else structure(ends, class = "Pipe")
}

#' @export
`$.Pipe` <- function(x, name) {
  abort("ValueError", sprintf(
    "`%s` of a list of %s: an end is taken by two brackets, such as ends[[1]]$%s", name, counted(length(x), "end"), name
  ))
}

#' @export
as.list.Pipe <- function(x, ...) unclass(x)

#' @export
print.Pipe <- function(x, ...) {
  for (i in seq_along(x)) cat("[[", i, "]] ", x[[i]]$format(), "\n", sep = "")
  invisible(x)
}

connection_methods <- function(self, private, ptr) list(
  send = function(obj = required("obj")) invisible(.Call(`_multiprocessing_connection_send`, ptr, obj)),
  recv = function() .Call(`_multiprocessing_connection_recv`, ptr),
  poll = function(timeout = 0) connection_poll(ptr, timeout),
  send_bytes = function(raw = required("raw"), offset = 0, size = NULL) pipe_send_bytes(ptr, raw, offset, size),
  recv_bytes = function(maxlength = NULL) pipe_receive_bytes(ptr, maxlength),
  close = function() invisible(handle_close(ptr)),
  format = function(...) handle_format(self, ptr, describe_connection)
)

connection_fields <- function(self, private, ptr) list(
  closed = function() !handle_is_open(ptr),
  readable = function() connection_state(ptr)$readable,
  writable = function() connection_state(ptr)$writable
)

ConnectionHandle <- handle_class("Connection", connection_methods, connection_fields)

describe_connection <- function(ptr) {
  state <- connection_state(ptr)
  paste(c(
    if (state$readable && state$writable) "sends and receives" else if (state$readable) "receives" else "sends",
    if (state$readable) sprintf("%s waiting", counted(state$waiting, "message")),
    if (state$cut) "the other end is closed"
  ), collapse = ", ")
}

#' @param data an end of a pipe.
#' @param expr an expression, evaluated in the frame of the caller; then `data` is closed.
#' @param ... not used.
#' @rdname Pipe
#' @export
with.Connection <- function(data, expr, ...) {
  on.exit(data$close())
  if (missing(expr)) missing_argument("expr")
  expr
}

pipe_send_bytes <- function(ptr, raw, offset, size) {
  invisible(.Call(`_multiprocessing_connection_send`, ptr, bytes_to_send(raw, offset, size)))
}

# The bytes that `$send_bytes()` means, of a pipe or of a socket
bytes_to_send <- function(raw, offset, size) {
  if (!is.raw(raw)) {
    abort("ValueError", sprintf("`raw` must be a raw vector, not %s; use $send() for R objects", describe_value(raw)))
  }
  if (identical(offset, 0) && is.null(size)) {
    return(raw)
  }
  check_count(offset, "offset")
  left <- length(raw) - offset
  if (left < 0) abort("ValueError", sprintf("`offset` is %s, but `raw` has %s", format(offset), counted(length(raw), "byte")))
  if (is.null(size)) size <- left
  check_count(size, "size")
  if (size > left) {
    abort("ValueError", sprintf("`size` is %s, but `raw` has %s after `offset`", format(size), counted(left, "byte")))
  }
  raw[offset + seq_len(size)]
}

pipe_receive_bytes <- function(ptr, maxlength) {
  if (!is.null(maxlength)) check_count(maxlength, "maxlength")
  value <- .Call(`_multiprocessing_connection_recv`, ptr)
  if (!is.raw(value)) {
    abort("ValueError", sprintf(
      "the message is not a raw vector but %s: it was sent with $send() and would have come with $recv(); it is in the condition's `value`",
      describe_value(value)
    ), value = value)
  }
  if (!is.null(maxlength) && length(value) > maxlength) {
    abort("OSError", sprintf(
      "the message has %.0f bytes, more than `maxlength`, %.0f; it is in the condition's `value`", length(value), maxlength
    ), value = value)
  }
  value
}
