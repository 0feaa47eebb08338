test_that("an event is set or not, and waited for until it is", {
  event <- Event()
  expect_false(event$is_set())
  expect_false(event$wait(0))
  started <- now()
  expect_false(event$wait(0.1))
  expect_gte(now() - started, 0.09)
  event$set()
  event$set()
  expect_true(event$is_set())
  expect_true(event$wait())
  expect_true(event$wait(0))
  event$clear()
  event$clear()
  expect_false(event$is_set())
  expect_false(event$wait(0))
})

test_that("a child's set() ends a wait without a timeout, under every start method", {
  for (method in c("fork", "spawn")) {
    event <- Event()
    p <- Process(function(e) e$set(), list(event), context = method)$start()
    expect_true(event$wait())
    p$join()
  }
})

test_that("an event that is set and cleared at once wakes all waiters", {
  event <- Event()
  ready <- Semaphore(0)
  ps <- lapply(1:3, function(i) {
    Process(function() {
      ready$release()
      event$wait()
    })$start()
  })
  for (p in ps) ready$acquire()
  for (p in ps) expect_true(wait_until(function() process_state(p$pid) == "S"))
  event$set()
  event$clear()
  for (p in ps) expect_true(p$value(60))
})

test_that("wait() takes events", {
  event <- Event()
  q <- Queue()
  expect_identical(wait(list(event, q), timeout = 0), list())
  p <- Process(function() event$set())$start()
  expect_identical(wait(list(q, event), timeout = 60), list(event))
  q$put(1)
  expect_identical(wait(list(q, event)), list(q, event))
  event$clear()
  expect_identical(wait(list(event, p), timeout = 60), list(p))
  p$join()
})

test_that("an event says whether it is set, and travels", {
  event <- Event()
  expect_output(print(event), "^<Event #\\d+, not set>")
  q <- Queue()
  q$put(event)
  q$get(timeout = 20)$set()
  expect_output(print(event), ", set>")
  expect_classed_error(event$wait("soon"), "ValueError", "timeout")
})
