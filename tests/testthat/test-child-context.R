test_that("the start methods are fork and spawn, the default first", {
  expect_setequal(get_all_start_methods(), c("fork", "spawn"))
  expect_identical(get_all_start_methods()[1], get_start_method())
  expect_classed_error(set_start_method("thread"), "ValueError", "\"thread\"")
  expect_classed_error(set_start_method(c("fork", "spawn")), "ValueError")
  expect_classed_error(Process(identity, context = "none"), "ValueError")
  expect_classed_error(Pool(1, context = 3), "ValueError")
})

test_that("the start method is set once, or by force, and front ends get spawn", {
  skip_on_cran()
  seen <- in_background_r(function() {
    first <- get_start_method()
    set_start_method("spawn")
    again <- tryCatch(set_start_method("fork"), ProcessError = function(e) "refused")
    spawned <- Process(function() Sys.getpid())$start()
    value <- spawned$value()
    set_start_method("fork", force = TRUE)
    forced <- get_start_method()
    list(first, again, identical(value, spawned$pid), forced)
  })
  expect_identical(seen, list("fork", "refused", TRUE, "fork"))
  expect_identical(in_background_r(function() get_start_method(), env = c(RSTUDIO = "1")), "spawn")
})

test_that("a context is a set of functions that use its method", {
  fork <- get_context("fork")
  expect_output(print(fork), "fork")
  expect_identical(fork$get_start_method(), "fork")
  expect_identical(fork$Process(function() 42)$start()$value(), 42)
  pool <- fork$Pool(1)
  expect_identical(pool$map(sqrt, 4), list(2))
  pool$terminate()
  expect_identical(get_context()$method, get_start_method())
  expect_setequal(intersect(c("Process", "Pool", "Lock", "Queue", "Pipe"), names(fork)), c("Process", "Pool", "Lock", "Queue", "Pipe"))
})

test_that("a context keeps its start method, and gives itself and others", {
  for (method in get_all_start_methods()) {
    context <- get_context(method)
    expect_identical(context$get_context()$get_start_method(), method)
    expect_identical(context$get_all_start_methods(), get_all_start_methods())
    for (other in get_all_start_methods()) expect_identical(context$get_context(other)$get_start_method(), other)
    before <- get_start_method()
    expect_classed_error(context$set_start_method("spawn"), "ValueError", method)
    expect_classed_error(context$set_start_method(NULL), "ValueError", method)
    expect_classed_error(context$get_context("thread"), "ValueError", "thread")
    expect_identical(get_start_method(), before)
  }
})

test_that("a spawned process is a fresh R that gets its target, arguments, variables and options", {
  skip_on_cran()
  spawn <- get_context("spawn")
  options(mp.test.option = TRUE)
  on.exit(options(mp.test.option = NULL))
  p <- spawn$Process(function(x, y) list(sum = x + y, option = getOption("mp.test.option"), name = current_process()$name),
    args = list(1, y = 2), name = "fresh"
  )
  expect_identical(p$start()$value(60), list(sum = 3, option = TRUE, name = "fresh"))
  expect_identical(p$exitcode, 0L)
  q <- spawn$Process(function() quit(status = 6))$start()
  expect_identical(q$join(60)$exitcode, 6L)
  k <- spawn$Process(function() repeat Sys.sleep(10))$start()
  k$kill()
  expect_identical(k$join(60)$exitcode, -9L)
  capture.output(e <- spawn$Process(function() stop("far away"))$start()$join(60), type = "message")
  expect_identical(e$exitcode, 1L)
  expect_classed_error(e$value(), "TaskError", "far away")
})

test_that("a spawned process gets variables of the global environment and attached packages", {
  skip_on_cran()
  seen <- in_background_r(function() {
    library(splines)
    factor_of <- 3
    helper <- function(x) x * factor_of
    assign("factor_of", factor_of, globalenv())
    assign("helper", helper, globalenv())
    target <- function(x) list(helper(x), exists("bs"))
    environment(target) <- globalenv()
    environment(helper) <- globalenv()
    assign("helper", helper, globalenv())
    p <- Process(target, list(7), context = "spawn")$start()
    pool <- Pool(1, context = "spawn")
    on.exit(pool$terminate())
    list(p$value(60), pool$map(target, 1:2))
  })
  expect_identical(seen, list(list(21, TRUE), list(list(3, TRUE), list(6, TRUE))))
})

test_that("a spawned pool maps, loses a worker, and maps again", {
  skip_on_cran()
  pool <- local_pool(2, function(x) options(mp.test.init = x), list("set"), context = "spawn")
  expect_identical(pool$map(function(i) i^2, 1:10), as.list((1:10)^2))
  expect_identical(pool$map(function(i) getOption("mp.test.init"), 1:2), list("set", "set"))
  got <- pool$map(function(i) if (i == 5) tools::pskill(Sys.getpid(), 9L) else i, 1:20, on_error = "return")
  expect_s3_class(got[[5]], "WorkerDiedError")
  expect_identical(got[-5], as.list((1:20)[-5]))
  expect_identical(pool$map(function(i) getOption("mp.test.init"), 1:4), rep(list("set"), 4))
  expect_match(format(pool), "spawn")
})

test_that("locks, queues and pipes reach spawned processes, from which others are forked", {
  skip_on_cran()
  lock <- Lock()
  q <- Queue()
  ends <- Pipe()
  lock$acquire()
  p <- Process(function(lock, q, end) {
    held <- lock$acquire(block = FALSE)
    end$send(held)
    inner <- Process(function() q$put("grandchild"))$start()
    inner$join()
    lock$acquire()
    end$recv()
    quit(status = 3)
  }, list(lock, q, ends[[2]]), context = "spawn")$start()
  expect_false(ends[[1]]$recv())
  expect_identical(q$get(timeout = 60), "grandchild")
  lock$release()
  expect_true(wait_until(function() lock$locked()))
  ends[[1]]$send("go")
  expect_warning(expect_true(lock$acquire(timeout = 20)), class = "OwnerDiedWarning")
  lock$release()
  expect_identical(p$join(20)$exitcode, 3L)
})

test_that("what a spawned process prints appears here", {
  skip_on_cran()
  p <- Process(function() cat("from a fresh R\n"), context = "spawn")$start()
  expect_identical(capture.output(p$join(60)), "from a fresh R")
})

test_that("the heap is sound after all of this", {
  expect_sound_heap()
})
