test_that("what is sent at one end is received at the other, both ways, in order", {
  ends <- Pipe()
  ends[[1]]$send("a")
  ends[[1]]$send(iris)
  ends[[2]]$send(1:3)
  expect_identical(ends[[2]]$recv(), "a")
  expect_identical(ends[[2]]$recv(), iris)
  expect_identical(ends[[1]]$recv(), 1:3)
})

test_that("a one-way pipe receives at its first end and sends at its second", {
  ends <- Pipe(duplex = FALSE)
  expect_identical(c(ends[[1]]$readable, ends[[1]]$writable), c(TRUE, FALSE))
  expect_identical(c(ends[[2]]$readable, ends[[2]]$writable), c(FALSE, TRUE))
  expect_classed_error(ends[[1]]$send(1), "ValueError", "only receive")
  expect_classed_error(ends[[2]]$recv(), "ValueError", "only send")
  ends[[2]]$send("x")
  expect_identical(ends[[1]]$recv(), "x")
})

test_that("poll says whether a message is available, waiting at most its timeout", {
  ends <- Pipe()
  expect_false(ends[[1]]$poll())
  started <- now()
  expect_false(ends[[1]]$poll(timeout = 0.1))
  expect_gte(now() - started, 0.09)
  ends[[2]]$send(1)
  expect_true(ends[[1]]$poll())
  expect_true(ends[[1]]$poll(timeout = 5))
  expect_true(ends[[1]]$poll(timeout = NULL))
  expect_identical(ends[[1]]$recv(), 1)
  expect_false(ends[[1]]$poll())
})

test_that("bytes are sent and received as they are", {
  ends <- Pipe()
  bytes <- as.raw(sample(0:255, 1e5, TRUE))
  ends[[1]]$send_bytes(bytes)
  ends[[1]]$send_bytes(raw())
  expect_identical(ends[[2]]$recv_bytes(), bytes)
  expect_identical(ends[[2]]$recv_bytes(), raw())
  ends[[1]]$send("text")
  wrong <- expect_classed_error(ends[[2]]$recv_bytes(), "ValueError", "\"text\"")
  expect_identical(wrong$value, "text") # it is not lost
  expect_classed_error(ends[[1]]$send_bytes("text"), "ValueError", "raw vector")
})

test_that("a part of a raw vector is sent, and no more than maxlength is received", {
  ends <- Pipe()
  letters26 <- charToRaw(paste(letters, collapse = ""))
  sent <- function(...) {
    ends[[1]]$send_bytes(letters26, ...)
    rawToChar(ends[[2]]$recv_bytes())
  }
  expect_identical(sent(), paste(letters, collapse = ""))
  expect_identical(sent(5), paste(letters[6:26], collapse = ""))
  expect_identical(sent(7, 8), paste(letters[8:15], collapse = ""))
  expect_identical(sent(offset = 26), "")
  expect_identical(sent(26, 0), "")
  expect_identical(sent(size = 3), "abc")
  for (bad in list(list(27), list(22, 5), list(26, 1), list(-1), list(4, -1), list("a"), list(0, 1.5))) {
    expect_classed_error(do.call(ends[[1]]$send_bytes, c(list(letters26), bad)), "ValueError", "offset|size")
  }
  expect_false(ends[[2]]$poll())
  ends[[1]]$send_bytes(letters26)
  error <- expect_classed_error(ends[[2]]$recv_bytes(maxlength = 25), "OSError", "26 bytes, more than `maxlength`, 25")
  expect_identical(error$value, letters26)
  ends[[1]]$send_bytes(letters26)
  expect_identical(ends[[2]]$recv_bytes(maxlength = 26), letters26)
  expect_classed_error(ends[[2]]$recv_bytes(maxlength = -1), "ValueError", "maxlength")
})

test_that("with() closes an end, whatever happens inside", {
  ends <- Pipe()
  value <- with(ends[[1]], with(ends[[2]], {
    ends[[1]]$send(1729)
    ends[[2]]$recv()
  }))
  expect_identical(value, 1729)
  expect_true(ends[[1]]$closed && ends[[2]]$closed)
  expect_classed_error(ends[[1]]$recv(), "ValueError", "closed")
  ends <- Pipe()
  expect_error(with(ends[[1]], stop("no")), "no")
  expect_classed_error(ends[[2]]$recv(), "EOFError")
  expect_classed_error(with(ends[[2]]), "ValueError", "expr")
})

test_that("a closed end is end-of-file for the other, after what was sent before", {
  ends <- Pipe()
  ends[[1]]$send("last")
  ends[[1]]$close()
  ends[[1]]$close()
  expect_true(ends[[1]]$closed)
  expect_false(ends[[2]]$closed)
  expect_identical(ends[[2]]$recv(), "last")
  expect_true(ends[[2]]$poll())
  expect_classed_error(ends[[2]]$recv(), "EOFError")
  expect_classed_error(ends[[2]]$send(1), "BrokenPipeError")
  expect_classed_error(ends[[1]]$send(1), "ValueError", "closed")
})

test_that("two processes talk, and the one that waits sees the other's end", {
  ends <- Pipe()
  p <- Process(function() {
    ends[[1]]$close()
    got <- character()
    repeat {
      value <- tryCatch(ends[[2]]$recv(), EOFError = function(e) NULL)
      if (is.null(value)) break
      got <- c(got, value)
      ends[[2]]$send(toupper(value))
    }
    got
  })$start()
  ends[[2]]$close()
  for (word in c("hello", "again")) {
    ends[[1]]$send(word)
    expect_identical(ends[[1]]$recv(), toupper(word))
  }
  ends[[1]]$close()
  expect_identical(p$value(), c("hello", "again"))
})

test_that("the death of the only process at the other end is end-of-file at once", {
  latency <- vapply(seq_len(rounds(300, 20)), function(k) {
    ends <- Pipe()
    p <- Process(function() {
      ends[[1]]$close()
      ends[[2]]$send("up")
      repeat Sys.sleep(10)
    })$start()
    ends[[2]]$close()
    ends[[1]]$recv()
    p$kill()
    killed <- now()
    e <- error_of(ends[[1]]$recv())
    if (!inherits(e, "EOFError")) fail("no end-of-file")
    p$join()
    now() - killed
  }, 1)
  expect_prompt(latency)
})

test_that("an end that two processes have is open until both are gone", {
  ends <- Pipe(duplex = FALSE)
  gate <- Queue()
  writers <- lapply(1:2, function(i) {
    Process(function() {
      gate$get()
      ends[[2]]$send(i)
    })$start()
  })
  ends[[2]]$close()
  gate$put(1)
  ends[[1]]$recv()
  expect_false(ends[[1]]$poll(0.05))
  gate$put(1)
  ends[[1]]$recv()
  expect_classed_error(ends[[1]]$recv(), "EOFError")
  for (p in writers) p$join()
})

test_that("a writer that is killed in the middle of a send leaves whole messages and an end", {
  for (k in seq_len(rounds(500, 20))) {
    ends <- Pipe(duplex = FALSE)
    p <- Process(function() repeat ends[[2]]$send(rep(1, 131072)))$start()
    ends[[2]]$close()
    ends[[1]]$recv()
    random_moment(0.004)
    p$kill()
    repeat {
      got <- tryCatch(ends[[1]]$recv(), EOFError = function(e) NULL)
      if (is.null(got)) break
      if (length(got) != 131072 || !all(got == 1)) fail("half a message")
    }
    p$join()
  }
  expect_sound_heap()
})

test_that("a pipe carries more than fits in any buffer before anything is read", {
  ends <- Pipe()
  for (i in 1:200) ends[[1]]$send(rep(i, 1e4))
  expect_true(all(vapply(1:200, function(i) identical(ends[[2]]$recv(), rep(i, 1e4)), TRUE)))
})

test_that("connections travel through queues and pipes", {
  a <- Pipe()
  b <- Pipe()
  a[[1]]$send(list(end = b[[2]]))
  moved <- a[[2]]$recv()$end
  moved$send("from afar")
  expect_identical(b[[1]]$recv(), "from afar")
  expect_output(print(moved), "<Connection #")
})

test_that("a connection that only a message holds is open until the message is gone", {
  ends <- Pipe()
  q <- Queue()
  q$put(ends[[2]])
  ends[[2]]$close()
  expect_false(ends[[1]]$poll())
  revived <- q$get()
  revived$send("alive")
  expect_identical(ends[[1]]$recv(), "alive")
  revived$close()
  expect_classed_error(ends[[1]]$recv(), "EOFError")
})

test_that("the heap is sound after all of this", {
  expect_sound_heap()
})
