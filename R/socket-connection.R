# A connection over a socket. `channel`: list(key, accepts) once the peer was authenticated, else NULL.

SocketConnectionHandle <- R6::R6Class("SocketConnection",
  cloneable = FALSE,
  public = list(
    initialize = function(ptr, channel) {
      private$ptr <- ptr
      private$channel <- channel
    },
    send = function(obj = required("obj")) socket_send_value(private, obj),
    recv = function(timeout = NULL) socket_receive_value(private, timeout),
    send_bytes = function(raw = required("raw"), offset = 0, size = NULL) socket_send_bytes(private, raw, offset, size),
    recv_bytes = function(maxlength = NULL, timeout = NULL) socket_receive_bytes(private, maxlength, timeout),
    poll = function(timeout = 0) socket_poll(private$ptr, timeout),
    close = function() invisible(socket_close(private$ptr)),
    format = function(...) {
      sprintf(
        "<SocketConnection (%s)>",
        if (!socket_is_open(private$ptr)) "closed" else if (is.null(private$channel)) "open, bytes only" else "open, authenticated"
      )
    },
    print = function(...) print_formatted(self)
  ),
  private = list(ptr = NULL, channel = NULL, sent = 0, received = 0),
  active = list(closed = function() !socket_is_open(private$ptr))
)

socket_send_bytes <- function(private, raw, offset, size) {
  socket_send_frame(private$ptr, bytes_to_send(raw, offset, size), NULL)
  invisible(NULL)
}

message_limit <- function() {
  limit <- getOption("multiprocessing.max_message", 2^32)
  check_count(limit, "options(multiprocessing.max_message)", 1)
  limit
}

socket_receive_bytes <- function(private, maxlength, timeout) {
  if (!is.null(maxlength)) check_count(maxlength, "maxlength", 0)
  limit <- if (is.null(maxlength)) message_limit() else min(maxlength, message_limit())
  closing_on_damage(private, socket_receive_frame(private$ptr, limit, timeout))
}

# After a frame that was refused, or received in part, nothing more can be read: the start of the next one is not known.
closing_on_damage <- function(private, expr) {
  tryCatch(expr, OSError = function(e) {
    socket_close(private$ptr)
    stop(e)
  })
}

# --- R values ---

# A mark, a code (HMAC by SHA-256 of direction, number and bytes), then R's serialization.
value_mark <- charToRaw("#R-VALUE#")
code_bytes <- 32L

value_code <- function(channel, from_listener, number, bytes) {
  place <- charToRaw(sprintf("%s %.0f ", if (from_listener) "listener" else "client", number))
  hmac(channel$key, c(place, bytes), "sha256")
}

check_channel <- function(private) {
  if (is.null(private$channel)) {
    abort("ProcessError", paste(
      "R values travel only between programs that share an `authkey`: give one to Listener() and Client(),",
      "or use $send_bytes() and $recv_bytes()"
    ))
  }
  private$channel
}

socket_send_value <- function(private, obj) {
  channel <- check_channel(private)
  bytes <- serialize(obj, NULL, xdr = FALSE)
  code <- value_code(channel, channel$accepts, private$sent, bytes)
  socket_send_frame(private$ptr, c(value_mark, code, bytes), NULL)
  private$sent <- private$sent + 1
  invisible(NULL)
}

# Nothing reaches unserialize() that does not come from the authenticated peer.
socket_receive_value <- function(private, timeout) {
  channel <- check_channel(private)
  frame <- closing_on_damage(private, socket_receive_frame(private$ptr, message_limit(), timeout))
  head <- length(value_mark) + code_bytes
  if (!starts_with(frame, value_mark) || length(frame) < head) {
    abort("ProcessError", "the peer sent bytes, not an R value; they are in the condition's `value`, and $recv_bytes() receives such",
      value = frame
    )
  }
  bytes <- frame[-seq_len(head)]
  if (!same_bytes(frame[length(value_mark) + seq_len(code_bytes)], value_code(channel, !channel$accepts, private$received, bytes))) {
    socket_close(private$ptr)
    abort("AuthenticationError", "an R value was changed on its way, or is not from the authenticated peer; the connection was closed")
  }
  private$received <- private$received + 1
  unserialize(bytes)
}

#' @rdname Listener
#' @export
with.SocketConnection <- function(data, expr, ...) {
  on.exit(data$close())
  if (missing(expr)) missing_argument("expr")
  expr
}
