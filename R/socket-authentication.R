# Both sides prove that they know the key, without sending it. The protocol is that of Python's multiprocessing.connection:
# a challenge is "#CHALLENGE#" and random bytes, from Python 3.12 on with "{sha256}" before them; the answer is an HMAC of what
# follows "#CHALLENGE#", by MD5 for peers before 3.12, else with the digest's name before it; then comes "#WELCOME#".

challenge_mark <- charToRaw("#CHALLENGE#")
welcome_mark <- charToRaw("#WELCOME#")
failure_mark <- charToRaw("#FAILURE#")
known_digests <- c("md5", "sha256")
authentication_seconds <- 5
authentication_bytes <- 256

as_authkey <- function(authkey) {
  if (is.null(authkey)) {
    return(NULL)
  }
  if (!requireNamespace("digest", quietly = TRUE)) {
    abort("ValueError", "`authkey` needs package digest: install.packages(\"digest\")")
  }
  if (is.character(authkey) && length(authkey) == 1L && !is.na(authkey)) authkey <- charToRaw(enc2utf8(authkey))
  if (!is.raw(authkey) || !length(authkey)) abort("ValueError", "`authkey` must be a raw vector or a string that is not empty")
  authkey
}

hmac <- function(key, message, digest) digest::hmac(key, message, algo = digest, serialize = FALSE, raw = TRUE)

# Takes as long wherever they differ.
same_bytes <- function(a, b) length(a) == length(b) && sum(as.integer(xor(a, b))) == 0L

starts_with <- function(x, mark) length(x) >= length(mark) && identical(x[seq_along(mark)], mark)

# list(name, rest) of "{name}rest"; the name is "" where there is none
split_digest <- function(message) {
  close <- match(charToRaw("}"), message)
  if (!length(message) || message[1L] != charToRaw("{") || is.na(close)) {
    return(list(name = "", rest = message))
  }
  name <- tryCatch(rawToChar(message[seq_len(close)[-c(1L, close)]]), error = function(e) "")
  if (!name %in% known_digests) refuse_peer("its challenge or answer wants a digest that is not supported")
  list(name = name, rest = message[-seq_len(close)])
}

refuse_peer <- function(why) abort("AuthenticationError", paste("the peer was not authenticated:", why))

# Runs a handshake within its time; any failure closes the connection.
authenticated <- function(ptr, key, handshake, accepts) {
  if (is.null(key)) {
    return(SocketConnectionHandle$new(ptr, NULL))
  }
  done <- FALSE
  on.exit(if (!done) socket_close(ptr))
  until <- deadline_of(authentication_seconds)
  left <- function() time_left(until)
  say <- list(
    send = function(bytes) socket_send_frame(ptr, bytes, left()),
    receive = function() socket_receive_frame(ptr, authentication_bytes, left())
  )
  nonces <- tryCatch(handshake(say), multiprocessing_error = function(e) {
    if (inherits(e, "AuthenticationError")) stop(e)
    refuse_peer(if (inherits(e, "TimeoutError")) {
      sprintf("it did not answer within %d seconds", authentication_seconds)
    } else {
      conditionMessage(e)
    })
  })
  done <- TRUE
  # Both sides know both challenges, in the order listener's, client's.
  order <- if (accepts) c("accepted", "answered") else c("answered", "accepted")
  session_key <- hmac(key, c(charToRaw("R values"), nonces[[order[1L]]], nonces[[order[2L]]]), "sha256")
  SocketConnectionHandle$new(ptr, list(key = session_key, accepts = accepts))
}

deliver_challenge <- function(ptr, key, say) {
  message <- c(charToRaw("{sha256}"), random_raw(40L))
  say$send(c(challenge_mark, message))
  answer <- say$receive()
  parts <- split_digest(answer)
  digest <- if (nzchar(parts$name)) parts$name else "md5"
  if (!same_bytes(parts$rest, hmac(key, message, digest))) {
    say$send(failure_mark)
    refuse_peer("it has another `authkey`")
  }
  say$send(welcome_mark)
  message
}

answer_challenge <- function(ptr, key, say) {
  message <- say$receive()
  if (!starts_with(message, challenge_mark)) refuse_peer("it sent no challenge")
  message <- message[-seq_along(challenge_mark)]
  name <- split_digest(message)$name
  say$send(if (nzchar(name)) c(charToRaw(sprintf("{%s}", name)), hmac(key, message, name)) else hmac(key, message, "md5"))
  if (!identical(say$receive(), welcome_mark)) refuse_peer("it does not accept our `authkey`")
  message
}
