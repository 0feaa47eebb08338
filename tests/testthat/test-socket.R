# Listener and Client: bytes and values, wrong keys, peers that misbehave, Python.

# The connection of a listener and that of a client in another process that runs `client(connection)`
with_peer <- function(client, test, authkey = NULL, family = NULL) {
  listener <- Listener(family = family, authkey = authkey)
  on.exit(listener$close())
  peer <- Process(function(address) {
    connection <- Client(address, authkey = authkey)
    on.exit(connection$close())
    client(connection)
  }, list(listener$address))
  peer$start()
  connection <- listener$accept(timeout = 60)
  result <- test(connection, listener)
  connection$close()
  peer$join(60)
  list(result = result, peer = peer$value(timeout = 60))
}

for (family in c("AF_UNIX", "AF_INET")) {
  test_that(paste("bytes travel both ways, in frames:", family), {
    got <- with_peer(
      function(connection) {
        connection$send_bytes(as.raw(1:10))
        connection$send_bytes(raw(0))
        connection$recv_bytes(timeout = 60)
      },
      function(connection, listener) {
        first <- connection$recv_bytes(timeout = 60)
        second <- connection$recv_bytes(timeout = 60)
        connection$send_bytes(raw(3e5))
        list(first, second)
      },
      family = family
    )
    expect_identical(got$result, list(as.raw(1:10), raw(0)))
    expect_identical(got$peer, raw(3e5))
  })

  test_that(paste("R values travel between programs with the same key:", family), {
    skip_if_not_installed("digest")
    value <- list(a = 1:3, f = function(x) x + 1, d = data.frame(x = letters))
    got <- with_peer(
      function(connection) {
        connection$send(value)
        connection$send(NULL)
        connection$recv(timeout = 60)
      },
      function(connection, listener) {
        first <- connection$recv(timeout = 60)
        second <- connection$recv(timeout = 60)
        connection$send(first$f(1))
        list(first$a, first$d, second)
      },
      authkey = new_authkey(), family = family
    )
    expect_identical(got$result, list(1:3, value$d, NULL))
    expect_identical(got$peer, 2)
  })
}

test_that("a Unix listener's socket and folder are this user's alone, and go with it", {
  listener <- Listener()
  info <- file.info(c(listener$address, dirname(listener$address)))
  expect_identical(bitwAnd(as.integer(info$mode), 63L), c(0L, 0L))
  expect_match(format(listener), "listening")
  address <- listener$address
  listener$close()
  listener$close()
  expect_false(any(file.exists(c(address, dirname(address)))))
  expect_match(format(listener), "closed")
  expect_error(Client(address), class = "FileNotFoundError")
  expect_error(listener$accept(0), class = "ValueError")
})

test_that("a TCP listener is at 127.0.0.1, at a port that is free", {
  listener <- Listener(family = "AF_INET")
  expect_identical(listener$address[[1]], "127.0.0.1")
  expect_gt(listener$address[[2]], 0)
  address <- listener$address
  listener$close()
  expect_error(Client(address), class = "ConnectionRefusedError")
})

test_that("a listener tells where the last peer came from", {
  for (family in c("AF_UNIX", "AF_INET")) {
    got <- with_peer(function(connection) NULL, function(connection, listener) {
      list(before = listener$address, from = listener$last_accepted)
    }, family = family)$result
    if (family == "AF_UNIX") {
      expect_identical(got$from, "")
    } else {
      expect_identical(got$from[[1]], "127.0.0.1")
      expect_gt(got$from[[2]], 0)
      expect_false(got$from[[2]] == got$before[[2]])
    }
  }
  listener <- Listener()
  expect_null(listener$last_accepted)
  listener$close()
})

test_that("a wrong key is refused on both sides, and the listener accepts the next peer", {
  skip_if_not_installed("digest")
  listener <- Listener(authkey = "right")
  on.exit(listener$close())
  ask <- function(key) {
    p <- Process(function(address) {
      tryCatch(Client(address, authkey = key)$recv(timeout = 60), error = function(e) class(e)[1])
    }, list(listener$address))
    p$start()
    p
  }
  wrong <- ask("wrong")
  expect_error(listener$accept(timeout = 60), class = "AuthenticationError")
  expect_identical(wrong$value(timeout = 60), "AuthenticationError")
  right <- ask("right")
  listener$accept(timeout = 60)$send("welcome")
  expect_identical(right$value(timeout = 60), "welcome")
})

test_that("a peer that says nothing, or leaves, is given up", {
  skip_if_not_installed("digest")
  listener <- Listener(authkey = "key")
  on.exit(listener$close())
  silent <- Client(listener$address)
  expect_error(listener$accept(timeout = 60), "did not answer within 5 seconds", class = "AuthenticationError")
  silent$close()
  gone <- Client(listener$address)
  gone$close()
  expect_error(listener$accept(timeout = 60), class = "AuthenticationError")
})

test_that("a frame that is announced too long is refused before it is read, and closes the connection", {
  listener <- Listener()
  on.exit(listener$close())
  far <- Client(listener$address)
  near <- listener$accept(timeout = 60)
  far$send_bytes(raw(100))
  expect_error(near$recv_bytes(maxlength = 99, timeout = 60), "100 bytes", class = "OSError")
  expect_true(near$closed)

  skip_if(Sys.which("python3") == "", "python3 is not installed")
  for (header in c("b'\\xff\\xff\\xff\\xff' + b'\\x40' + bytes(7)", "b'\\xf0\\x00\\x00\\x00'")) {
    code <- sprintf(paste(
      "import socket, sys", "s = socket.socket(socket.AF_UNIX)", "s.connect(sys.argv[1])", "s.sendall(%s)", "s.recv(1)",
      sep = "\n"
    ), header)
    file <- tempfile(fileext = ".py")
    writeLines(code, file)
    system2("python3", c(file, listener$address), wait = FALSE)
    near <- listener$accept(timeout = 60)
    expect_error(near$recv_bytes(timeout = 60), class = "OSError")
    expect_true(near$closed)
  }
})

test_that("without a key no R value is sent or accepted", {
  listener <- Listener()
  on.exit(listener$close())
  far <- Client(listener$address)
  near <- listener$accept(timeout = 60)
  expect_error(far$send(1), "authkey", class = "ProcessError")
  far$send_bytes(serialize(1, NULL))
  expect_error(near$recv(timeout = 60), "authkey", class = "ProcessError")
})

test_that("an R value that was changed on its way never reaches unserialize()", {
  skip_if_not_installed("digest")
  key <- new_authkey()
  got <- with_peer(
    function(connection) {
      private <- connection$.__enclos_env__$private
      frame <- NULL
      # what $send() would put on the wire, with one bit changed behind the code
      bytes <- serialize(1, NULL, xdr = FALSE)
      channel <- private$channel
      code <- multiprocessing:::value_code(channel, FALSE, 0, bytes)
      bytes[length(bytes)] <- xor(bytes[length(bytes)], as.raw(1))
      connection$send_bytes(c(charToRaw("#R-VALUE#"), code, bytes))
    },
    function(connection, listener) {
      tryCatch(connection$recv(timeout = 60), error = function(e) class(e)[1])
    },
    authkey = key
  )
  expect_identical(got$result, "AuthenticationError")
})

test_that("recv waits no longer than its timeout, ends at end-of-file, and can be interrupted", {
  listener <- Listener()
  on.exit(listener$close())
  far <- Client(listener$address)
  near <- listener$accept(timeout = 60)
  expect_error(near$recv_bytes(timeout = 0), class = "TimeoutError")
  expect_false(near$poll())
  expect_error(listener$accept(timeout = 0), class = "TimeoutError")
  far$send_bytes(as.raw(1))
  expect_true(near$poll(60))
  expect_identical(near$recv_bytes(), as.raw(1))
  far$close()
  expect_true(near$poll(60))
  expect_error(near$recv_bytes(), class = "EOFError")
  expect_error(far$send_bytes(as.raw(1)), class = "ValueError")
})

test_that("wait() takes socket connections beside queues", {
  listener <- Listener()
  on.exit(listener$close())
  far <- Client(listener$address)
  near <- listener$accept(timeout = 60)
  queue <- Queue()
  expect_length(wait(list(near, queue), timeout = 0), 0)
  far$send_bytes(as.raw(1))
  expect_identical(wait(list(queue, near), timeout = 60), list(near))
  queue$put(1)
  expect_identical(wait(list(queue, near), timeout = 60), list(queue, near))
})

test_that("addresses, families and keys that cannot be are errors", {
  expect_error(Client(5), "address", class = "ValueError")
  expect_error(Client(), "address", class = "ValueError")
  expect_error(Client(list("127.0.0.1", 70000)), "port", class = "ValueError")
  expect_error(Listener("/nowhere/at/all"), class = "FileNotFoundError")
  expect_error(Listener(strrep("x", 200)), class = "OSError")
  expect_error(Listener(family = "AF_PIPE"), "family", class = "ValueError")
  expect_error(Listener("path", family = "AF_INET"), "family", class = "ValueError")
  skip_if_not_installed("digest")
  expect_error(Listener(authkey = 5), "authkey", class = "ValueError")
})

# --- real Python peers ---

python_peer <- function(code, ...) {
  file <- tempfile(fileext = ".py")
  writeLines(code, file)
  out <- tempfile()
  system2("python3", shQuote(c(file, ...)), wait = FALSE, stdout = out, stderr = out)
  out
}

test_that("a Python Client talks to our Listener", {
  skip_if(Sys.which("python3") == "", "python3 is not installed")
  skip_if_not_installed("digest")
  for (key in c("a secret", "wrong")) {
    listener <- Listener(authkey = "a secret")
    out <- python_peer(c(
      "import sys", "from multiprocessing.connection import Client",
      "c = Client(sys.argv[1], authkey=sys.argv[2].encode())",
      "c.send_bytes(b'from python')", "c.send_bytes(c.recv_bytes() * 2)", "c.close()"
    ), listener$address, key)
    if (key == "wrong") {
      expect_error(listener$accept(timeout = 60), class = "AuthenticationError")
    } else {
      connection <- listener$accept(timeout = 60)
      expect_identical(rawToChar(connection$recv_bytes(timeout = 60)), "from python")
      connection$send_bytes(charToRaw("ab"))
      expect_identical(rawToChar(connection$recv_bytes(timeout = 60)), "abab")
      expect_error(connection$recv_bytes(timeout = 60), class = "EOFError")
    }
    listener$close()
  }
})

test_that("our Client talks to a Python Listener", {
  skip_if(Sys.which("python3") == "", "python3 is not installed")
  skip_if_not_installed("digest")
  ready <- Listener()
  on.exit(ready$close())
  python_peer(c(
    "import sys", "from multiprocessing.connection import Client, Listener",
    "l = Listener(('127.0.0.1', 0), authkey=b'a secret')",
    "c = Client(sys.argv[1])", "c.send_bytes(str(l.address[1]).encode())", "c.close()",
    "c = l.accept()", "c.send_bytes(c.recv_bytes() + b' and back')",
    "try:", "    l.accept()", "except Exception as e:", "    pass",
    "c.recv_bytes()"
  ), ready$address)
  port <- as.integer(rawToChar(ready$accept(timeout = 60)$recv_bytes(timeout = 60)))
  connection <- Client(list("127.0.0.1", port), authkey = "a secret")
  connection$send_bytes(charToRaw("there"))
  expect_identical(rawToChar(connection$recv_bytes(timeout = 60)), "there and back")
  expect_error(Client(list("127.0.0.1", port), authkey = "wrong"), class = "AuthenticationError")
  connection$send_bytes(raw(1))
  connection$close()
})

test_that("peers of newer Pythons name their digest, those of older ones do not: both are answered", {
  skip_if_not_installed("digest")
  key <- charToRaw("k")
  answer_to <- function(message) {
    sent <- list()
    replies <- list(c(charToRaw("#CHALLENGE#"), message), charToRaw("#WELCOME#"))
    say <- list(
      send = function(bytes) sent[[length(sent) + 1L]] <<- bytes,
      receive = function() {
        next_one <- replies[[1L]]
        replies <<- replies[-1L]
        next_one
      }
    )
    multiprocessing:::answer_challenge(NULL, key, say)
    sent[[1L]]
  }
  old <- as.raw(1:20)
  expect_identical(answer_to(old), digest::hmac(key, old, "md5", serialize = FALSE, raw = TRUE))
  new <- c(charToRaw("{sha256}"), as.raw(1:40))
  expect_identical(
    answer_to(new), c(charToRaw("{sha256}"), digest::hmac(key, new, "sha256", serialize = FALSE, raw = TRUE))
  )
  expect_error(answer_to(c(charToRaw("{odd}"), as.raw(1:40))), class = "AuthenticationError")
})
