test_that("pools that are created, used and closed leave no descriptor, process, thread or block", {
  use <- function(k) {
    pool <- Pool(2)
    stopifnot(identical(pool$map(function(i) i + k, 1:10), as.list(1:10 + k)))
    pool$close()
    pool$join()
    rm(pool)
  }
  for (k in 1:3) use(k)
  before <- footprint()
  for (k in seq_len(rounds(1000, 50))) use(k)
  expect_identical(footprint(), before)
})

test_that("pools that are terminated while they compute leave nothing", {
  use <- function(k) {
    pool <- Pool(2)
    pool$map_async(function(i) repeat NULL, 1:10)
    pool$terminate()
  }
  for (k in 1:3) use(k)
  before <- footprint()
  for (k in seq_len(rounds(300, 20))) use(k)
  expect_identical(footprint(), before)
})

# In an R of its own: what other tests have dropped may be collected meanwhile.
test_that("pools that were never closed leave nothing once they are collected", {
  left <- in_background_r(function(helpers) {
    source(helpers)
    use <- function(k) {
      pool <- Pool(1)
      stopifnot(identical(pool$apply(function(i) i, list(k)), k))
    }
    for (k in 1:3) use(k)
    alone <- wait_until(function() {
      before <<- footprint()
      before$children == 0L
    })
    for (k in seq_len(rounds(300, 20))) use(k)
    wait_until(function() {
      after <<- footprint()
      identical(after, before)
    })
    list(alone = alone, before = before, after = after)
  }, list(helpers = normalizePath("helper-processes.R")), timeout = rounds(600, 120))
  expect_true(left$alone)
  expect_identical(left$after, left$before)
})

test_that("processes, locks, queues and pipes leave nothing, either", {
  use <- function(k) {
    lock <- RLock()
    q <- Queue()
    ends <- Pipe()
    q$put(list(lock, ends[[1]], q))
    p <- Process(function() {
      with(lock, q$put(k))
      ends[[2]]$send(numeric(1e5))
    })$start()
    q$get()
    stopifnot(length(ends[[1]]$recv()) == 1e5)
    p$join()
    q$get()
  }
  for (k in 1:3) use(k)
  before <- footprint()
  for (k in seq_len(rounds(1000, 50))) use(k)
  expect_identical(footprint(), before)
})

test_that("calls of mclapply() leave nothing", {
  others <- children_of()
  for (k in 1:3) mclapply(1:4, function(i) i, mc.cores = 2)
  before <- settled_footprint(others)
  for (k in seq_len(rounds(1000, 30))) mclapply(1:4, function(i) rep(i, 1e4), mc.cores = 2)
  expect_identical(settled_footprint(others), before)
})

test_that("mclapply() in a session with much memory does not wait until its workers' is taken down", {
  skip_on_cran()
  keep <- numeric(2^26) + 1 # 512 MB: a worker needs some 10 ms for its end
  others <- children_of()
  for (k in 1:3) mclapply(1:2, function(i) i, mc.cores = 2)
  before <- settled_footprint(others)
  leaving <- 0L
  for (k in 1:20) {
    expect_identical(mclapply(1:2, function(i) i, mc.cores = 2), list(1L, 2L))
    leaving <- max(leaving, length(setdiff(children_of(), others)))
  }
  expect_gt(leaving, 0L)
  expect_lte(leaving, 4L) # each call reaps those of the ones before
  expect_identical(settled_footprint(others), before)
  rm(keep)
})

test_that("no worker of mclapply() stays defunct, though the session calls the package no more", {
  skip_on_cran()
  keep <- numeric(2^26) + 1
  others <- children_of()
  for (k in 1:3) {
    mclapply(1:2, function(i) i, mc.cores = 2)
    expect_true(wait_until(function() setequal(children_of(), others)))
    expect_true(wait_until(function() reaping_threads() == 0L))
  }
  rm(keep)
})

test_that("mclapply() in a worker leaves no children behind when the worker ends", {
  skip_on_cran()
  # These handle SIGCHLD from now on: the end of one child interrupts what waits for another.
  in_background_r(function() NULL)
  parallel::mccollect(parallel::mcparallel(NULL))
  keep <- numeric(2^26) + 1
  left <- mclapply(1:20, function(i) {
    stopifnot(identical(mclapply(1:2, identity, mc.cores = 2), list(1L, 2L)))
    length(children_of())
  }, mc.cores = 2)
  expect_identical(left, rep(list(0L), 20))
  rm(keep)
})

test_that("mclapply() that is done before all workers have begun does not wait for these", {
  skip_if_not(soaking(), "a time that a busy machine does not keep; run by make soak")
  seconds <- function() {
    replicate(40, system.time(mclapply(1:8, identity, mc.cores = 2, mc.preschedule = FALSE))[["elapsed"]])
  }
  prompt <- FALSE # a busy machine may be slow, but not each time
  for (k in 1:5) prompt <- prompt || stats::quantile(seconds(), 0.9) < 0.045
  expect_true(prompt)
})

test_that("a thousand jobs on one pool leave nothing", {
  pool <- local_pool(2)
  for (k in 1:3) pool$map(function(i) i, 1:20)
  before <- footprint()
  for (k in 1:1000) pool$map(function(i) i, 1:20)
  for (k in 1:100) pool$map(function(i) numeric(2e4), 1:4)
  for (k in 1:100) error_of(pool$map(function(i) stop(i), 1:4))
  pool$map(function(i) i, 1:20)
  expect_identical(footprint()[c("descriptors", "children", "threads")], before[c("descriptors", "children", "threads")])
  # a worker may look at the last job a moment longer; the pool frees it when it is asked the next time
  expect_true(wait_until(function() {
    pool$status()
    footprint()$blocks <= before$blocks + 1
  }))
})

test_that("a session that made no use of the package has no heap", {
  skip_on_cran()
  expect_false(in_background_r(function() multiprocessing:::session_exists()))
})

test_that("the heap is sound after all of this", {
  expect_sound_heap()
})
