#' Connections between programs that did not start each other
#'
#' `Listener()` waits at an address; `Client()` connects to it. Both give a connection on which bytes and R values travel. The
#' wire format and the authentication are those of Python's `multiprocessing.connection`: the other side may be a Python
#' program.
#'
#' @param address a path (a Unix socket) or a host and a port, such as `list("127.0.0.1", 6000)`; port 0 is one that is free.
#'   `NULL`: for the family `"AF_UNIX"`, a socket in a new folder that only this user can enter; for `"AF_INET"`, a free port
#'   of `127.0.0.1`.
#' @param family `"AF_UNIX"` or `"AF_INET"`; by default what `address` is, and `"AF_UNIX"` without one.
#' @param backlog how many peers may wait to be accepted.
#' @param authkey the secret that both sides must know: a raw vector or a string, not empty; [new_authkey()] makes one. `NULL`: peers are not
#'   authenticated, and only bytes can be sent. It needs package digest.
#' @section Methods of a listener:
#' - `$accept(timeout = NULL)`: waits for a peer and returns the connection. A peer has 5 seconds to authenticate.
#' - `$close()`, and the fields `$address` (where peers connect) and `$last_accepted`
#'   (where the last peer came from: its host and port, `""` for a Unix socket, `NULL` before the first one).
#' @section Methods of a connection:
#' - `$send(obj)`, `$recv(timeout = NULL)`: any R value, between R programs with the same `authkey`.
#' - `$send_bytes(raw, offset = 0, size = NULL)`, `$recv_bytes(maxlength = NULL, timeout = NULL)`: a raw vector, to and from any peer,
#'   Python included. `size` bytes are sent, or all that follow, after the first `offset`.
#' - `$poll(timeout = 0)`: whether something can be received, after waiting for at most `timeout` seconds.
#' - `$close()`, and the field `$closed`.
#'
#' [wait()] takes such connections, too. A forked process shares them; they cannot be sent to another process.
#' @section Security: A Unix socket is created with mode 0600. TCP is used only if you ask for it. Each side proves that it knows the key
#'   without sending it (HMAC). An R value is accepted only with a code that proves that it comes, unchanged and in its order,
#'   from the peer that was authenticated. Nothing is encrypted. A message longer than `getOption("multiprocessing.max_message")`
#'   bytes (4 GiB by default) is refused before memory is reserved for it. Keep a key out of argument lists and log files.
#' @section Errors: `AuthenticationError` (a wrong key, or none within 5 seconds), `EOFError` (the peer closed the connection),
#'   `TimeoutError`, `ConnectionRefusedError` (no listener at the address), `FileNotFoundError` (no such socket), `PermissionError`,
#'   `OSError` (others of the system, and messages that are too long), `ProcessError` (an R value without `authkey`),
#'   `ValueError` (bad arguments, a closed connection).
#' @return `Listener()` a handle of class `Listener`; `$accept()` and `Client()` one of class `SocketConnection`.
#' @section Python: `multiprocessing.connection.Listener(address, family, backlog, authkey)`, `Client(address, family, authkey)`.
#' @seealso [Pipe()] and [Queue()] for processes of one session, [wait()]
#' @concept socket
#' @concept TCP
#' @concept interoperate with Python
#' @concept inter-process communication
#' @examples
#' listener <- Listener()
#' peer <- Process(function(address) {
#'   connection <- Client(address, family = "AF_UNIX")
#'   connection$send_bytes(charToRaw("hello there"), offset = 0, size = 5)
#' }, list(listener$address))
#' peer$start()
#' connection <- listener$accept(timeout = 10)
#' if (connection$poll(timeout = 10)) rawToChar(connection$recv_bytes(maxlength = 100, timeout = 10))
#' connection$close()
#' listener$close()
#' peer$join()
#'
#' # R values need a key that both sides know; port 0 is a free one
#' if (requireNamespace("digest", quietly = TRUE)) {
#'   key <- new_authkey()
#'   listener <- Listener(list("127.0.0.1", 0), family = "AF_INET", backlog = 5, authkey = key)
#'   peer <- Process(function(address, key) {
#'     with(connection <- Client(address, authkey = key), connection$send(list(n = 1)))
#'   }, list(listener$address, key))
#'   peer$start()
#'   with(listener, print(listener$accept(timeout = 10)$recv(timeout = 10)))
#'   peer$join()
#' }
#' @export
Listener <- function(address = NULL, family = NULL, backlog = 1L, authkey = NULL) {
  check_count(backlog, "backlog", 1)
  key <- as_authkey(authkey)
  at <- if (is.null(address)) default_address(family) else as_address(address, family)
  ptr <- socket_listen(at$host, at$port, as.integer(backlog))
  if (at$port >= 0L) at$port <- socket_port(ptr)
  ListenerHandle$new(ptr, at, key)
}

#' @rdname Listener
#' @export
Client <- function(address, family = NULL, authkey = NULL) {
  if (missing(address)) missing_argument("address")
  key <- as_authkey(authkey)
  at <- as_address(address, family)
  ptr <- socket_connect(at$host, at$port, connect_seconds)
  authenticated(ptr, key, function(say) {
    theirs <- answer_challenge(ptr, key, say)
    ours <- deliver_challenge(ptr, key, say)
    list(accepted = ours, answered = theirs)
  }, accepts = FALSE)
}

#' @description `new_authkey()` makes a key of 32 bytes that cannot be guessed.
#' @return `new_authkey()` a raw vector.
#' @rdname Listener
#' @export
new_authkey <- function() random_raw(32L)

connect_seconds <- 60

ListenerHandle <- R6::R6Class("Listener",
  cloneable = FALSE,
  public = list(
    last_accepted = NULL,
    initialize = function(ptr, at, key) {
      private$ptr <- ptr
      private$at <- at
      private$key <- key
      private$owner <- Sys.getpid()
    },
    accept = function(timeout = NULL) listener_accept(self, private, timeout),
    close = function() listener_close(private),
    format = function(...) {
      sprintf("<Listener at %s (%s)>", address_text(private$at), if (socket_is_open(private$ptr)) "listening" else "closed")
    },
    print = function(...) print_formatted(self)
  ),
  private = list(ptr = NULL, at = NULL, key = NULL, owner = NULL, finalize = function() listener_close(private)),
  active = list(
    address = function() if (private$at$port < 0L) private$at$host else list(private$at$host, private$at$port)
  )
)

listener_accept <- function(self, private, timeout) {
  ptr <- socket_accept(private$ptr, timeout)
  from <- socket_peer(ptr)
  key <- private$key
  connection <- authenticated(ptr, key, function(say) {
    ours <- deliver_challenge(ptr, key, say)
    theirs <- answer_challenge(ptr, key, say)
    list(accepted = ours, answered = theirs)
  }, accepts = TRUE)
  self$last_accepted <- from
  connection
}

# Closing a listener removes the file of its Unix socket; closing a fork's copy of the listener does not.
listener_close <- function(private) {
  if (!socket_is_open(private$ptr)) {
    return(invisible(NULL))
  }
  socket_close(private$ptr)
  if (private$at$port < 0L && private$owner == Sys.getpid()) {
    unlink(private$at$host)
    if (!is.null(private$at$folder)) unlink(private$at$folder, recursive = TRUE)
  }
  invisible(NULL)
}

#' @param data a listener or a connection.
#' @param expr an expression, evaluated in the frame of the caller; then `data` is closed.
#' @param ... not used.
#' @rdname Listener
#' @export
with.Listener <- function(data, expr, ...) {
  on.exit(data$close())
  if (missing(expr)) missing_argument("expr")
  expr
}

# --- addresses ---

# list(host, port): a Unix socket has the port -1
as_address <- function(address, family) {
  is_path <- is.character(address) && length(address) == 1L && !is.na(address) && nzchar(address)
  is_pair <- length(address) == 2L && (is.list(address) || is.character(address)) && is.character(address[[1L]]) &&
    !is.na(port <- suppressWarnings(as.numeric(address[[2L]])))
  if (!is_path && !is_pair) {
    abort("ValueError", sprintf(
      "`address` must be the path of a Unix socket, or a host and a port such as list(\"127.0.0.1\", 6000), not %s",
      describe_value(address)
    ))
  }
  check_family(family, if (is_path) "AF_UNIX" else "AF_INET")
  if (is_path) {
    return(list(host = path.expand(address), port = -1L))
  }
  if (port < 0 || port > 65535 || port != trunc(port)) {
    abort("ValueError", sprintf("the port of `address` must be a whole number from 0 to 65535, not %s", describe_value(address[[2L]])))
  }
  list(host = address[[1L]], port = as.integer(port))
}

check_family <- function(family, fits) {
  if (is.null(family) || identical(family, fits)) {
    return(invisible())
  }
  if (!identical(family, "AF_UNIX") && !identical(family, "AF_INET")) {
    abort("ValueError", sprintf("`family` must be \"AF_UNIX\" or \"AF_INET\", not %s", describe_value(family)))
  }
  abort("ValueError", sprintf("`family` is \"%s\", but `address` is one of \"%s\"", family, fits))
}

default_address <- function(family) {
  if (identical(family, "AF_INET")) {
    return(list(host = "127.0.0.1", port = 0L))
  }
  check_family(family, "AF_UNIX")
  name <- paste(format(random_raw(8L)), collapse = "")
  folder <- file.path(if (nchar(tempdir(), "bytes") < 70L) tempdir() else "/tmp", paste0("listener-", name))
  made <- dir.create(folder, showWarnings = FALSE, mode = "0700")
  info <- file.info(folder, extra_cols = TRUE)
  if (!made || !info$isdir || bitwAnd(as.integer(info$mode), 63L) != 0L) {
    abort("OSError", sprintf("the folder %s for a listener's socket cannot be created with access for this user alone", folder))
  }
  list(host = file.path(folder, "socket"), port = -1L, folder = folder)
}

address_text <- function(at) if (at$port < 0L) at$host else sprintf("%s:%d", at$host, at$port)
