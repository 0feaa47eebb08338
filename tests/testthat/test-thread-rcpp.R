# C++ of users, compiled once for all tests here, also for those in another R
cache <- tempfile("rcpp-")
cpp <- local({
  env <- NULL
  function() {
    skip_on_cran()
    skip_if_not_installed("Rcpp")
    if (is.null(env)) {
      env <<- "rcpp.cpp does not compile"
      made <- new.env()
      Rcpp::sourceCpp(test_path("rcpp.cpp"), env = made, cacheDir = cache)
      env <<- made
    }
    if (is.character(env)) stop(env)
    env
  }
})

test_that("locks and arrays of R are arguments of C++ functions", {
  f <- cpp()
  lock <- Lock()
  total <- Array("double", 2)
  f$add(lock, total, c(1, 2, 3.5))
  expect_identical(total[], c(6.5, 0))
  expect_false(lock$locked())
  counts <- Array("integer", 1:3)
  expect_identical(f$sum_of_integers(counts), 6)
  expect_identical(f$sum_of_integers(Array("logical", c(TRUE, TRUE))), 2)
  value <- Value("integer", 40L)
  f$count_up(value, 2L)
  expect_identical(value$value, 42L)
})

test_that("what C++ creates is a handle of R's", {
  f <- cpp()
  made <- f$new_objects()
  expect_s3_class(made$lock, "Lock")
  expect_s3_class(made$queue, "Queue")
  expect_s3_class(made$barrier, "Barrier")
  expect_s3_class(made$value, "Value")
  expect_identical(made$array[], c(0, 0, 2.5))
  expect_true(made$lock$acquire(block = FALSE))
  expect_identical(made$queue$get(timeout = 20), 7)
  expect_identical(made$barrier$parties, 1L)
  expect_identical(made$value$value, 3L)
  expect_type(made$points, "externalptr")
  expect_identical(f$second_x(made$points), 4)
})

test_that("an argument of another kind is an error that says what was given", {
  f <- cpp()
  lock <- Lock()
  total <- Array("double", 1)
  for (given in list(NULL, 42, "lock", list(lock), sum)) {
    expect_classed_error(f$add(given, total, 1), "ValueError", "expected a Lock[(][)], not")
  }
  expect_classed_error(f$add(42, total, 1), "ValueError", "not 42")
  expect_classed_error(f$add(Queue(), total, 1), "ValueError", "not a Queue[(][)]")
  expect_classed_error(f$add(RLock(), total, 1), "ValueError", "threads need a Lock[(][)]")
  expect_classed_error(f$add(lock, lock, 1), "ValueError", "expected an Array[(][)] or a Value[(][)], not a Lock[(][)]")
  expect_classed_error(f$add(lock, Array("float", 2), 1), "ValueError", "expected elements of type \"double\".*\"float\"")
  expect_classed_error(f$count_up(Array("integer", 2), 1L), "ValueError", "expected a Value[(][)], not an Array[(][)] of 2")
  error <- tryCatch(f$add(1:3, total, 1), error = identity)
  expect_match(conditionMessage(error), "integer of length 3")
  expect_identical(as.list(conditionCall(error))[-1], list(quote(1:3), quote(total), 1))
  saved <- unserialize(serialize(lock, NULL))
  expect_classed_error(f$add(saved, total, 1), "ValueError", "closed or was restored")
})

test_that("a failure in C++ is the condition that R code gets for it", {
  f <- cpp()
  same <- function(in_cpp, in_r, class) {
    e <- expect_classed_error(in_cpp, class)
    expect_identical(class(e), class(error_of(in_r)))
    e
  }
  lock <- Lock()
  e <- same(f$unlock(lock), lock$release(), "ValueError")
  expect_match(conditionMessage(e), "a lock that is not held")
  expect_identical(conditionCall(e), quote(f$unlock(lock)))
  same(f$unlock_in_threads(lock), lock$release(), "ValueError")
  barrier <- Barrier(2)
  expect_false(f$meet(barrier, 0.01))
  e <- same(f$meet(barrier, 20), barrier$wait(20), "BrokenBarrierError")
  expect_identical(tryCatch(f$meet(barrier, 20), BrokenBarrierError = function(e) "broken"), "broken")
  queue <- Queue()
  queue$put("text")
  expect_classed_error(f$take_number(queue), "EncodingError", "not one value of the type")
  same(f$open_by_hand(42), f$unlock(42), "ValueError")
})

test_that("a failure in C++ can be caught there, and has any class that its code gives it", {
  f <- cpp()
  expect_identical(f$caught_kind(Lock()), "ValueError")
  expect_classed_error(f$fail_with("TimeoutError", "no answer in 3 seconds"), "TimeoutError", "^no answer in 3 seconds$")
  expect_classed_error(f$fail_with("BrokenProcessPool", "no workers"), "ProcessError")
  other <- error_of(f$fail_otherwise())
  expect_s3_class(other, "C++Error")
  expect_false(inherits(other, "multiprocessing_error"))
  gctorture(TRUE)
  e <- error_of(f$fail_with("ValueError", "while R collects"))
  gctorture(FALSE)
  expect_classed_error(stop(e), "ValueError", "while R collects")
  answers <- mclapply(1:2, function(i) tryCatch(f$unlock(Lock()), ValueError = function(e) i), mc.cores = 2)
  expect_identical(answers, list(1L, 2L))
})

test_that("an RcppParallel::Worker runs as it is", {
  f <- cpp()
  x <- as.numeric(1:200000)
  for (threads in c(-1L, 1L, 2L)) {
    expect_identical(f$roots(x, threads), sqrt(x))
    expect_equal(f$total(x, threads), sum(x))
  }
  expect_identical(f$roots(numeric(), 2L), numeric())
  expect_identical(f$total(numeric(), 2L), 0)
})

test_that("a reduction joins its parts in order, alike for all numbers of threads", {
  f <- cpp()
  set.seed(3)
  x <- stats::rnorm(1e5)
  expect_length(unique(lapply(1:4, function(threads) f$total(x, threads))), 1)
  for (n in c(1:9, 127:130, 255:258, 1000)) {
    expect_identical(f$in_order(n, 1, 2L), as.numeric(seq_len(n)))
    expect_identical(f$in_order(n, 7, 2L), as.numeric(seq_len(n)))
  }
  expect_lte(f$most_reducers(1e5, 2L), 2 + 2 * 8) # a way down a tree of 128 parts for each thread
})

test_that("what a worker throws is an R error, and the next loop runs", {
  f <- cpp()
  for (where in c(0, 50000, 99999)) {
    expect_error(f$fail_in_worker(1e5, where), sprintf("no element %d", where))
    expect_error(f$fail_in_reducer(1e5, where), sprintf("no element %d", where))
  }
  expect_silent(f$fail_in_worker(1e5, 1e6))
  expect_identical(f$live_reducers(), 0)
})

test_that("workers run in forked children", {
  f <- cpp()
  x <- as.numeric(1:100000)
  f$roots(x, 2L) # threads of this process exist before the forks
  lock <- Lock()
  total <- Array("double", 1)
  answers <- mclapply(1:4, function(i) {
    f$add(lock, total, rep(1, 1000))
    c(sum(f$roots(x, -1L)), f$total(x, 2L))
  }, mc.cores = 2)
  expect_identical(answers, rep(list(c(sum(sqrt(x)), f$total(x, 1L))), 4))
  expect_identical(total[[1]], 4000)
  error <- mclapply(1, function(i) tryCatch(f$fail_in_worker(100, 50), error = conditionMessage), mc.cores = 2)
  expect_match(error[[1]], "no element 50")
})

test_that("Ctrl-C ends a worker's loop and a wait for a lock", {
  cpp()
  interrupted <- in_background_r(function(file, cache, interrupt_later) {
    library(multiprocessing)
    loadNamespace("RcppParallel") # its library has TBB's symbols, which RcppParallel's headers use
    f <- new.env()
    Rcpp::sourceCpp(file, env = f, cacheDir = cache)
    catch <- function(expr) {
      system(sprintf(interrupt_later, Sys.getpid()))
      tryCatch(expr, interrupt = function(i) "interrupted")
    }
    lock <- Lock()
    lock$acquire()
    c(catch(f$loop_until_interrupt(2L)), catch(f$add(lock, Array("double", 1), 1)), format(f$total(1:10, 2L)))
  }, list(normalizePath(test_path("rcpp.cpp")), cache, interrupt_later))
  expect_identical(interrupted, c("interrupted", "interrupted", "55"))
})

test_that("Ctrl-C counts, too, while threads are prepared or counted for the first time", {
  cpp()
  for (moment in c("load_tbb", "cpu_count")) {
    answer <- in_background_r(function(file, cache, moment) {
      loadNamespace("RcppParallel")
      f <- new.env()
      Rcpp::sourceCpp(file, env = f, cacheDir = cache)
      ours <- asNamespace("multiprocessing")
      before <- get(moment, ours)
      pressed <- FALSE
      unlockBinding(moment, ours)
      assign(moment, function() {
        if (!pressed) {
          pressed <<- TRUE
          tools::pskill(Sys.getpid(), tools::SIGINT)
          repeat NULL
        }
        before()
      }, ours)
      c(tryCatch(f$loop_until_interrupt(-1L), interrupt = function(i) "interrupted"), format(f$total(1:10, -1L)))
    }, list(normalizePath(test_path("rcpp.cpp")), cache, moment))
    expect_identical(answer, c("interrupted", "55"))
  }
})

test_that("cppFunction() finds the headers, too", {
  skip_on_cran()
  skip_if_not_installed("Rcpp")
  f <- Rcpp::cppFunction("void open_it(multiprocessing::Lock lock) { lock.lock(); lock.unlock(); }", depends = "multiprocessing")
  expect_silent(f(Lock()))
  expect_classed_error(f("x"), "ValueError", "expected a Lock[(][)]")
})

test_that("what fails in an Rcpp module is an error of its class", {
  f <- cpp()
  lock <- Lock()
  expect_classed_error(f$module_unlock(lock), "ValueError", "not held")
  expect_classed_error(f$module_fail("BrokenBarrierError", "given up"), "BrokenBarrierError", "given up")
  expect_classed_error(methods::new(f$Counter, -1L), "ValueError", "begins at 0")
  counter <- methods::new(f$Counter, 1L)
  expect_identical(counter$up(1L), 2L)
  counter$check()
  expect_classed_error(counter$up(-1L), "IndexError", "counts up")
  counter$up(1L)
  expect_classed_error(counter$check(), "TimeoutError", "to 2")
  expect_classed_error(f$module_unlock(42), "ValueError", "expected a Lock[(][)], not 42")
})

test_that("semaphores and events are arguments and results of C++ functions", {
  f <- cpp()
  places <- Semaphore(1)
  expect_identical(f$most_at_once(places, 2L), 1L)
  expect_identical(places$get_value(), 1)
  expect_true(f$take_place(places, 0))
  expect_false(f$take_place(places, 0))
  expect_false(f$take_place(places, 0.01))
  f$give_place(places)
  bounded <- BoundedSemaphore(1)
  expect_classed_error(f$give_place(bounded), "ValueError", "all free")
  expect_classed_error(f$give_place(Event()), "ValueError", "expected a Semaphore[(][)], not an Event[(][)]")
  expect_classed_error(f$await_event(places, 1), "ValueError", "expected an Event[(][)], not a Semaphore[(][)]")
  event <- Event()
  expect_false(f$await_event(event, 0))
  expect_false(f$await_event(event, 0.01))
  event$set()
  expect_true(f$await_event(event, -1))
  made <- f$new_signals()
  expect_s3_class(made$semaphore, "Semaphore")
  expect_identical(made$semaphore$get_value(), 2)
  expect_s3_class(made$event, "Event")
  expect_false(made$event$is_set())
})

test_that("C++ code waits for a permit and an event of another process", {
  f <- cpp()
  places <- Semaphore(0)
  event <- Event()
  process <- Process(function() {
    places$release()
    event$set()
  }, context = "fork")
  process$start()
  expect_true(f$take_place(places, 60))
  expect_true(f$await_event(event, 60))
  process$join()
  process <- Process(function() f$take_place(places, 60) && f$await_event(event, 60), context = "fork")
  event$clear()
  process$start()
  f$give_place(places)
  event$set()
  expect_true(process$value(timeout = 60))
})
