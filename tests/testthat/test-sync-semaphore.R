test_that("a semaphore of two gives 2, 1, 0 permits, then FALSE", {
  semaphore <- Semaphore(2)
  expect_identical(semaphore$get_value(), 2)
  expect_true(semaphore$acquire())
  expect_true(semaphore$acquire())
  expect_identical(semaphore$get_value(), 0)
  expect_false(semaphore$acquire(block = FALSE))
  expect_false(semaphore$acquire(timeout = 0))
  started <- now()
  expect_false(semaphore$acquire(timeout = 0.1))
  expect_gte(now() - started, 0.09)
  semaphore$release()
  semaphore$release()
  semaphore$release() # it is not bounded
  expect_identical(semaphore$get_value(), 3)
})

test_that("a bounded semaphore refuses the release of a permit that it has", {
  semaphore <- BoundedSemaphore(1)
  expect_classed_error(semaphore$release(), "ValueError", "all free")
  semaphore$acquire()
  semaphore$release()
  expect_classed_error(semaphore$release(), "ValueError", "all free")
  expect_identical(semaphore$get_value(), 1)
})

test_that("any process may release a permit", {
  for (method in c("fork", "spawn")) {
    semaphore <- Semaphore(0)
    p <- Process(function(s) s$release(), list(semaphore), context = method)$start()
    expect_true(semaphore$acquire(timeout = 60))
    p$join()
  }
})

test_that("with() evaluates in the caller's frame and always gives the permit back", {
  semaphore <- BoundedSemaphore(2)
  x <- 1
  expect_identical(with(semaphore, {
    x <- x + 1
    with(semaphore, semaphore$get_value())
  }), 0)
  expect_identical(x, 2)
  expect_error(with(semaphore, stop("inside")), "inside")
  expect_identical((function() with(semaphore, return("early")))(), "early")
  expect_identical(semaphore$get_value(), 2)
})

test_that("never more processes are inside than there are permits", {
  semaphore <- Semaphore(2)
  inside <- Semaphore(0)
  ps <- lapply(1:4, function(k) {
    Process(function() {
      most <- 0
      for (i in seq_len(rounds(2000, 200))) {
        with(semaphore, {
          inside$release()
          most <- max(most, inside$get_value())
          inside$acquire()
        })
      }
      most
    })$start()
  })
  expect_true(all(vapply(ps, function(p) p$value(60), 0) <= 2))
  expect_identical(semaphore$get_value(), 2)
})

test_that("permits that with() took come back when their process is killed, and soon", {
  semaphore <- BoundedSemaphore(2)
  n <- rounds(1000, 15)
  latency <- numeric(n)
  for (k in seq_len(n)) {
    owner <- Process(function() with(semaphore, with(semaphore, repeat Sys.sleep(10))))$start()
    expect_true(wait_until(function() semaphore$get_value() == 0))
    owner$kill()
    killed <- now()
    expect_true(semaphore$acquire(timeout = 20))
    latency[k] <- now() - killed
    semaphore$release()
    owner$join()
    expect_true(wait_until(function() semaphore$get_value() == 2))
  }
  expect_prompt(latency)
})

test_that("a permit of a plain acquire does not come back: it has no owner", {
  semaphore <- Semaphore(1)
  Process(function() {
    semaphore$acquire()
    tools::pskill(Sys.getpid(), tools::SIGKILL)
  })$start()$join()
  expect_false(semaphore$acquire(timeout = 0.2))
  semaphore$release()
  expect_true(semaphore$acquire(timeout = 0))
})

test_that("processes that are killed while they contend leave the right number of permits", {
  semaphore <- BoundedSemaphore(2)
  for (k in seq_len(rounds(300, 6))) {
    ps <- lapply(1:3, function(i) Process(function() repeat with(semaphore, NULL))$start())
    random_moment(0.01)
    for (p in ps) p$kill()
    for (p in ps) p$join()
    expect_true(wait_until(function() {
      heap_state()
      semaphore$get_value() == 2
    }))
  }
})

test_that("a semaphore says how many permits it has, and what is wrong with its arguments", {
  expect_output(print(Semaphore(3)), "^<Semaphore #\\d+, value 3>")
  expect_output(print(BoundedSemaphore()), "^<BoundedSemaphore #\\d+, value 1>")
  for (bad in list(-1, 1.5, "a", NA, 1:2, 1e12)) expect_classed_error(Semaphore(bad), "ValueError", "value")
  expect_classed_error(Semaphore()$acquire(block = NA), "ValueError", "block")
  expect_classed_error(Semaphore()$acquire(timeout = "a"), "ValueError", "timeout")
})

test_that("a semaphore that travels is the same one", {
  semaphore <- BoundedSemaphore(2)
  q <- Queue()
  q$put(list(semaphore))
  copy <- q$get(timeout = 20)[[1]]
  copy$acquire()
  expect_identical(semaphore$get_value(), 1)
  expect_output(print(copy), "BoundedSemaphore")
})

test_that("the heap is sound after all of this", {
  expect_sound_heap()
})
