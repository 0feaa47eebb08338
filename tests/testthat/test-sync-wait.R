test_that("wait gives those that are ready, in the order of the list", {
  a <- Pipe()
  q <- Queue()
  empty <- Queue()
  a[[1]]$send(1)
  q$put(1)
  items <- list(empty, x = q, a[[2]], y = a[[1]])
  expect_identical(wait(items, timeout = 0), items[2:3])
  expect_identical(wait(list(empty), timeout = 0), list())
  expect_identical(wait(list(), timeout = 0), list())
  expect_identical(wait(list()), list()) # it would never end
})

test_that("wait honours its timeout", {
  started <- now()
  expect_identical(wait(list(Queue(), Pipe()[[1]]), timeout = 0.1), list())
  expect_gte(now() - started, 0.09)
})

test_that("wait is ended by a message, whatever it waits for besides", {
  q <- Queue()
  ends <- Pipe()
  pool <- local_pool(1)
  stuck <- pool$apply_async(function() repeat Sys.sleep(10))
  hang <- Process(function() repeat Sys.sleep(10))$start()
  sender <- Process(function() ends[[2]]$send("news"))$start()
  ready <- wait(list(q, ends[[1]], hang, stuck), timeout = 20)
  expect_length(ready, 1)
  expect_identical(ready[[1]]$recv(), "news")
  sender$join()
  hang$kill()
  expect_identical(wait(list(q, hang), timeout = 20), list(hang))
  hang$join()
})

test_that("wait sees a process that is over, by its handle or its sentinel", {
  gate <- Queue()
  p <- Process(function() gate$get())$start()
  expect_identical(wait(list(p, p$sentinel), timeout = 0), list())
  gate$put(1)
  expect_identical(wait(list(p), timeout = 20), list(p))
  expect_length(wait(list(p$sentinel), timeout = 20), 1)
  p$join()
})

test_that("wait sees a result that is done and end-of-file", {
  pool <- local_pool(1)
  gate <- Queue()
  result <- pool$apply_async(function() gate$get())
  ends <- Pipe()
  expect_identical(wait(list(result, ends[[1]]), timeout = 0), list())
  gate$put(5)
  expect_identical(wait(list(ends[[1]], result), timeout = 20), list(result))
  expect_identical(result$get(), 5)
  expect_identical(wait(list(result), timeout = 0), list(result))
  ends[[2]]$close()
  expect_identical(wait(list(ends[[1]]), timeout = 0), list(ends[[1]]))
})

test_that("wait sees the death of the other end's process", {
  ends <- Pipe()
  p <- Process(function() repeat Sys.sleep(10))$start()
  ends[[2]]$close()
  expect_identical(wait(list(ends[[1]]), timeout = 0), list())
  p$kill()
  expect_identical(wait(list(ends[[1]]), timeout = 20), list(ends[[1]]))
  expect_classed_error(ends[[1]]$recv(), "EOFError")
  p$join()
})

test_that("wait serves many at once: a hundred processes are collected as they end", {
  skip_on_cran()
  n <- rounds(100, 30)
  left <- lapply(seq_len(n), function(i) Process(function() NULL)$start())
  deadline <- now() + 60
  while (length(left) && now() < deadline) {
    ready <- wait(left, timeout = 20)
    left <- Filter(function(p) !any(vapply(ready, identical, TRUE, p)), left)
  }
  expect_length(left, 0)
})

test_that("what cannot be waited for is refused", {
  expect_classed_error(wait(list(1)), "ValueError", "cannot wait")
  expect_classed_error(wait(Queue()), "ValueError", "list")
  expect_classed_error(wait(list(Process(identity))), "ProcessError", "start")
})

test_that("the heap is sound after all of this", {
  expect_sound_heap()
})
