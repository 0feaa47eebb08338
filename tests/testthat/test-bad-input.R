# What is wrong is refused by a classed error, and nothing has changed.
unchanged <- function(expr) {
  before <- footprint()
  force(expr)
  expect_identical(footprint()[c("descriptors", "children", "threads")], before[c("descriptors", "children", "threads")])
  expect_lte(footprint()$blocks, before$blocks)
  expect_sound_heap()
}

test_that("a pool needs a whole number of workers, at least one, at most what a session has room for", {
  unchanged(for (n in list(0, -1, "a", 1.5, NA, c(1, 2), Inf, list(), TRUE[0], 1e6)) {
    expect_classed_error(Pool(n), "ValueError", "processes")
  })
})

test_that("a pool's other arguments are checked before anything starts", {
  unchanged({
    expect_classed_error(Pool(1, initializer = "f"), "ValueError", "initializer")
    expect_classed_error(Pool(1, initargs = 1:3), "ValueError", "initargs")
    expect_classed_error(Pool(1, maxtasksperchild = 0), "ValueError", "maxtasksperchild")
    expect_classed_error(Pool(1, retries = -1), "ValueError", "retries")
    expect_classed_error(Pool(1, task_timeout = -1), "ValueError", "task_timeout")
    expect_classed_error(Pool(1, task_timeout = "a"), "ValueError", "task_timeout")
    expect_classed_error(Pool(1, seed = "a"), "ValueError", "seed")
    expect_classed_error(Pool(1, context = "thread"), "ValueError", "start method")
    expect_error(Pool(1, nonsense = 1), "unused argument")
  })
})

test_that("map refuses what is not a function, a vector, a size, a list of arguments", {
  pool <- local_pool(1)
  pool$map(identity, 1)
  unchanged({
    expect_classed_error(pool$map("sqrt", 1:3), "ValueError", "`func`")
    expect_classed_error(pool$map(NULL, 1:3), "ValueError", "`func`")
    for (size in list(0, -2, "a", 1.5, NA, 1:2)) {
      expect_classed_error(pool$map(identity, 1:3, chunksize = size), "ValueError", "chunksize")
      expect_classed_error(pool$imap(identity, 1:3, chunksize = size), "ValueError", "chunksize")
    }
    expect_classed_error(pool$map(identity, 1:3, args = 5), "ValueError", "`args`")
    expect_classed_error(pool$apply(identity, 5), "ValueError", "`args`")
    expect_classed_error(pool$apply(5), "ValueError", "`func`")
    expect_classed_error(pool$apply_async(identity, list(1), callback = "f"), "ValueError", "callback")
    expect_classed_error(pool$map(identity, 1:3, retries = "x"), "ValueError", "retries")
    expect_classed_error(pool$map(identity, 1:3, task_timeout = 0), "ValueError", "task_timeout")
    expect_classed_error(pool$imap("sqrt", 1:3), "ValueError", "`func`")
  })
  expect_identical(pool$map(identity, 1:3), list(1L, 2L, 3L))
})

test_that("a process needs a function and a list", {
  unchanged({
    expect_classed_error(Process("f"), "ValueError", "target")
    expect_classed_error(Process(identity, args = 1), "ValueError", "args")
    expect_classed_error(Process(identity, args = iris), "ValueError", "args")
    expect_classed_error(Process(identity, name = c("a", "b")), "ValueError", "name")
    expect_classed_error(Process(identity, context = "thread"), "ValueError", "start method")
  })
})

test_that("a queue's size is a whole number from 0", {
  unchanged(for (n in list(-1, "a", NA, 1.5, 1:2, NULL)) expect_classed_error(Queue(n), "ValueError", "maxsize"))
})

test_that("a timeout is NULL or a number", {
  lock <- Lock()
  q <- Queue()
  lock$acquire()
  unchanged(for (bad in list("a", NA, c(1, 2), list(), NaN)) {
    expect_classed_error(lock$acquire(timeout = bad), "ValueError", "timeout")
    expect_classed_error(q$get(timeout = bad), "ValueError", "timeout")
    expect_classed_error(wait(list(q), timeout = bad), "ValueError", "timeout")
  })
  expect_true(lock$locked())
  lock$release()
})

test_that("closed queues and free locks refuse", {
  q <- Queue()
  lock <- Lock()
  ends <- Pipe()
  q$close()
  ends[[1]]$close()
  unchanged({
    expect_classed_error(q$put(1), "ValueError", "closed")
    expect_classed_error(lock$release(), "ValueError")
    expect_classed_error(RLock()$release(), "ValueError")
    expect_classed_error(ends[[1]]$recv(), "ValueError", "closed")
    expect_classed_error(ends[[1]]$poll(), "ValueError", "closed")
  })
})

test_that("a value that cannot travel is an EncodingError that says where, and nothing was put", {
  q <- Queue()
  ends <- Pipe()
  pool <- local_pool(1)
  pool$map(identity, 1)
  file <- base::file("/dev/null", "r")
  on.exit(close(file))
  unchanged({
    expect_classed_error(q$put(file), "EncodingError", "connection")
    expect_classed_error(q$put(list(1, inner = list(a = file))), "EncodingError", "connection")
    expect_classed_error(ends[[1]]$send(file), "EncodingError")
    expect_classed_error(pool$map(identity, list(1, file)), "EncodingError")
    expect_classed_error(pool$map(function(x, f) 1, 1, args = list(file)), "EncodingError")
  })
  expect_true(q$empty())
  expect_false(ends[[2]]$poll())
  e <- expect_classed_error(pool$map(function(i) base::file("/dev/null", "r"), 1), "TaskError", "connection")
  expect_s3_class(e, "EncodingError")
  expect_identical(pool$map(identity, 1), list(1))
})

test_that("more processes than the system allows is an error, and the session goes on", {
  skip_on_cran()
  seen <- in_background_r(function() {
    before <- length(list.files("/proc/self/fd"))
    # the kernel counts only the processes of other users than root
    limit <- tryCatch(system2("sh", c("-c", shQuote("ulimit -u")), stdout = TRUE), error = function(e) "")
    refused <- tryCatch(Pool(2000), error = function(e) class(e))
    many <- lapply(1:990, function(i) NULL)
    q <- Queue()
    ps <- list()
    failure <- NULL
    while (length(ps) < 1100 && is.null(failure)) {
      p <- Process(function() q$get())
      failure <- tryCatch(
        {
          p$start()
          NULL
        },
        error = function(e) e
      )
      if (is.null(failure)) ps[[length(ps) + 1]] <- p
    }
    for (p in ps) p$kill()
    for (p in ps) p$join()
    rm(ps, p)
    gc()
    multiprocessing:::heap_check()
    gc()
    pool <- Pool(2)
    right <- identical(pool$map(function(x) x + 1, 1:10), as.list(1:10 + 1))
    pool$terminate()
    rm(pool)
    gc()
    problem <- multiprocessing:::heap_check()$problem
    list(refused = refused, failure = class(failure), message = conditionMessage(failure), right = right, problem = problem)
  })
  expect_true("ValueError" %in% seen$refused)
  expect_true("ProcessError" %in% seen$failure)
  expect_match(seen$message, "process")
  expect_true(seen$right)
  expect_identical(seen$problem, "")
})

test_that("when no descriptor is left, starting a process is an error and nothing leaks", {
  skip_on_cran()
  seen <- in_background_r(function() {
    q <- Queue()
    q$put(1)
    Process(function() NULL)$start()$join()
    before <- length(list.files("/proc/self/fd"))
    files <- list()
    ps <- list()
    failure <- NULL
    # R allows 128 connections; descriptors are used up through processes, two or three each
    while (is.null(failure) && length(ps) < 900) {
      p <- Process(function() repeat Sys.sleep(10))
      failure <- tryCatch(
        {
          p$start()
          NULL
        },
        error = function(e) e
      )
      if (is.null(failure)) ps[[length(ps) + 1]] <- p
    }
    started <- length(ps)
    for (p in ps) p$kill()
    for (p in ps) p$join()
    rm(ps, p)
    gc()
    right <- Process(function() 42)$start()$value()
    list(started = started, failure = class(failure), right = right, after = length(list.files("/proc/self/fd")) - before)
  }, cmdargs = c("--no-echo", "--no-save", "--no-restore"))
  expect_identical(seen$right, 42)
  expect_lte(seen$after, 3)
  if (!is.null(seen$failure) && length(seen$failure) > 1) expect_true("multiprocessing_error" %in% seen$failure)
})

test_that("the heap is sound after all of this", {
  expect_sound_heap()
})
