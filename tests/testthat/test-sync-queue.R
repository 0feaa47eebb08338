test_that("a queue is first in, first out, for values of every kind", {
  q <- Queue()
  values <- list(1, "a", NULL, iris, list(1, list(2)), quote(x), 1e6:1, NA, raw(300), sqrt)
  for (v in values) q$put(v)
  expect_equal(q$qsize(), length(values))
  for (v in values) expect_equal(q$get(), v)
  expect_true(q$empty())
})

test_that("a queue of 4 signals Full on the fifth put_nowait and keeps what it has", {
  q <- Queue(4)
  for (i in 1:4) q$put_nowait(i)
  expect_true(q$full())
  expect_classed_error(q$put_nowait(5), "Full", "4 messages")
  expect_classed_error(q$put(5, block = FALSE), "Full")
  started <- now()
  expect_classed_error(q$put(5, timeout = 0.1), "Full", "timeout")
  expect_gte(now() - started, 0.09)
  expect_identical(lapply(1:4, function(i) q$get()), as.list(1:4))
  expect_false(q$full())
})

test_that("an empty queue signals Empty at once or after the timeout", {
  q <- Queue()
  expect_classed_error(q$get_nowait(), "Empty")
  expect_classed_error(q$get(block = FALSE), "Empty")
  expect_classed_error(q$get(timeout = 0), "Empty")
  started <- now()
  expect_classed_error(q$get(timeout = 0.1), "Empty", "0.1 seconds")
  expect_gte(now() - started, 0.09)
  expect_lt(now() - started, 2)
})

test_that("a queue of less than none holds as many messages as memory allows, as Python's", {
  q <- Queue(-1)
  for (i in 1:100) q$put_nowait(i)
  expect_false(q$full())
  expect_identical(q$qsize(), 100)
})

test_that("a closed queue takes and gives nothing in this process, and works in others", {
  q <- Queue()
  q$put("before")
  gate <- Queue()
  p <- Process(function() {
    gate$get()
    c(q$get(timeout = 5), q$qsize())
  })$start()
  q$close()
  expect_classed_error(q$put(1), "ValueError", "closed")
  expect_classed_error(q$get(), "ValueError", "closed")
  expect_null(q$join_thread())
  gate$put(1)
  expect_identical(p$value(), c("before", "0"))
})

test_that("what was put outlives its sender", {
  q <- Queue()
  Process(function() {
    for (i in 1:10) q$put(rep(i, 1e5))
    tools::pskill(Sys.getpid(), tools::SIGKILL)
  })$start()$join()
  expect_equal(q$qsize(), 10)
  for (i in 1:10) expect_identical(q$get(timeout = 2), rep(i, 1e5))
})

test_that("ten producers and ten consumers: every message arrives exactly once", {
  q <- Queue(3)
  out <- Queue()
  n <- rounds(2000, 100)
  producers <- lapply(1:10, function(k) Process(function() for (i in seq_len(n)) q$put(c(k, i)))$start())
  consumers <- lapply(1:10, function(k) {
    Process(function() {
      mine <- lapply(seq_len(n), function(i) q$get())
      out$put(do.call(rbind, mine))
    })$start()
  })
  got <- do.call(rbind, lapply(1:10, function(k) out$get(timeout = 60)))
  for (p in c(producers, consumers)) p$join()
  expect_equal(got[order(got[, 1], got[, 2]), ], cbind(rep(1:10, each = n), rep(seq_len(n), 10)))
  expect_true(q$empty())
})

test_that("messages of one producer keep their order", {
  q <- Queue(8)
  p <- Process(function() for (i in 1:2000) q$put(if (i %% 100 == 0) rep(i, 5e4) else i))$start()
  expect_equal(vapply(1:2000, function(i) q$get(timeout = 20)[1], 1), 1:2000)
  p$join()
})

test_that("a producer that is killed in the middle of a put leaves no half message and stops no process", {
  n <- rounds(1000, 40)
  slowest <- 0
  for (k in seq_len(n)) {
    q <- Queue(3)
    p <- Process(function() {
      i <- 0
      repeat q$put(rep(i <- i + 1, 131072)) # 1 MB
    })$start()
    first <- q$get(timeout = 5)
    random_moment(0.006)
    p$kill()
    whole <- TRUE
    last <- first[1]
    repeat {
      left <- q$qsize()
      started <- now()
      got <- if (left > 0) q$get(timeout = 2) else tryCatch(q$get(timeout = 0.002), Empty = function(e) NULL)
      slowest <- max(slowest, now() - started)
      if (is.null(got)) {
        if (is_gone(p$pid)) break else next
      }
      whole <- whole && length(got) == 131072 && all(got == last + 1)
      last <- got[1]
    }
    expect_true(whole)
    q$put("still here", timeout = 2)
    expect_identical(q$get(timeout = 2), "still here")
    p$join()
  }
  expect_lt(slowest, 1)
})

test_that("a consumer that is killed in the middle of a get stops no process and tears nothing", {
  n <- rounds(500, 20)
  q <- Queue(4)
  for (k in seq_len(n)) {
    p <- Process(function() repeat q$get())$start()
    for (i in 1:4) q$put(rep(i, 131072), timeout = 5)
    random_moment(0.004)
    p$kill()
    p$join()
    while (!q$empty()) {
      got <- q$get(timeout = 2)
      if (!all(got == got[1]) || length(got) != 131072) fail("half a message")
    }
    q$put(k, timeout = 2)
    expect_identical(q$get(timeout = 2), k)
  }
})

test_that("memory of messages comes back", {
  q <- Queue()
  q$put(numeric(1e5))
  q$get()
  before <- heap_blocks()
  for (i in 1:50) q$put(numeric(1e5))
  expect_gt(heap_state()$bytes, 50 * 8e5)
  for (i in 1:50) q$get()
  expect_lte(heap_blocks(), before + 1)
  rm(q)
  expect_lt(heap_blocks(), before)
})

test_that("queues travel through queues, and to pools", {
  inner <- Queue()
  outer <- Queue()
  outer$put(list(a = inner, b = list(inner)))
  got <- outer$get(timeout = 5)
  got$b[[1]]$put("x")
  expect_identical(got$a$get(timeout = 5), "x")
  pool <- local_pool(2)
  pool$map(function(i) inner$put(i), 1:10)
  expect_setequal(vapply(1:10, function(i) inner$get(timeout = 5), 1L), 1:10)
  pool$map(function(i, q) q$put(i), 1:10, args = list(outer))
  expect_setequal(vapply(1:10, function(i) outer$get(timeout = 5), 1L), 1:10)
  expect_output(print(inner), "<Queue #")
})

test_that("a SimpleQueue puts, gets, and says whether it is empty", {
  q <- SimpleQueue()
  expect_true(q$empty())
  q$put(1)
  expect_false(q$empty())
  expect_identical(q$get(), 1)
  q$close()
  expect_classed_error(q$put(1), "ValueError", "closed")
})

test_that("a process that waits for a message gets it as soon as it is put", {
  q <- Queue()
  ready <- Queue()
  p <- Process(function() {
    ready$put(TRUE)
    sent <- q$get(timeout = 20)
    now() - sent
  })$start()
  ready$get(timeout = 20)
  wait_until(function() process_state(p$pid) == "S")
  q$put(now())
  expect_lt(p$value(), 0.5)
})

test_that("a SimpleQueue that is sent arrives as one", {
  q <- Queue()
  q$put(list(SimpleQueue(), Queue()))
  got <- q$get()
  expect_s3_class(got[[1]], "SimpleQueue")
  expect_s3_class(got[[2]], "Queue")
  got[[1]]$put("through it")
  expect_identical(got[[1]]$get(), "through it")
})

test_that("the heap is sound after all of this", {
  expect_sound_heap()
})
