# A worker is killed at task 5 of 20: in each way, in a pool and in mclapply().
ends <- list(
  SIGKILL = function() tools::pskill(Sys.getpid(), 9L),
  SIGSEGV = function() tools::pskill(Sys.getpid(), 11L),
  quit = function() quit(status = 3)
)
at_five <- function(end) function(i) if (i == 5) end() else i^2
expected <- (1:20)[-5]^2

expect_death_of_5 <- function(failure, way) {
  testthat::expect_s3_class(failure, "WorkerDiedError")
  testthat::expect_identical(failure$index, 5L)
  testthat::expect_true(is_gone(failure$pid))
  testthat::expect_identical(failure$signal, switch(way,
    SIGKILL = 9L,
    SIGSEGV = 11L,
    quit = NA_integer_
  ))
  testthat::expect_identical(failure$exitcode, if (way == "quit") 3L else NA_integer_)
  testthat::expect_match(conditionMessage(failure), sprintf("element 5 .*pid %d.*%s", failure$pid, if (way == "quit") "exit code 3" else way))
}

for (way in names(ends)) {
  test_that(paste("a pool whose worker ends by", way, "at task 5 of 20 loses that element alone, round after round"), {
    pool <- local_pool(2)
    for (round in seq_len(rounds(200, 15))) {
      got <- pool$map(at_five(ends[[way]]), 1:20, on_error = "return")
      expect_length(got, 20)
      expect_identical(unlist(got[-5]), expected)
      expect_death_of_5(got[[5]], way)
      e <- error_of(pool$map(at_five(ends[[way]]), 1:20, chunksize = 1 + round %% 7))
      expect_death_of_5(e, way)
      expect_identical(pool$map(function(i) i + 1, 1:20), as.list(1:20 + 1))
    }
    expect_true(all(process_state(pool$status()$pid[1]) %in% c("S", "R")))
  })

  test_that(paste("mclapply() whose worker ends by", way, "at task 5 of 20 loses that element alone"), {
    for (round in seq_len(rounds(200, 5))) {
      for (preschedule in c(TRUE, FALSE)) {
        told <- character()
        got <- withCallingHandlers(
          mclapply(1:20, at_five(ends[[way]]), mc.cores = 2, mc.preschedule = preschedule),
          warning = function(w) {
            told <<- c(told, conditionMessage(w))
            invokeRestart("muffleWarning")
          }
        )
        expect_length(got, 20)
        expect_identical(unlist(got[-5]), expected)
        expect_s3_class(got[[5]], "try-error")
        expect_death_of_5(attr(got[[5]], "condition"), way)
        expect_match(told, "element 5")
      }
      expect_identical(mclapply(1:20, function(i) i + 1, mc.cores = 2), as.list(1:20 + 1))
    }
  })
}

test_that("workers that are killed from outside, at any moment, never cost an answer unsaid", {
  pool <- local_pool(2)
  n <- rounds(200, 15)
  lost <- 0
  for (round in seq_len(n)) {
    result <- pool$map_async(function(i) {
      x <- 0
      for (k in 1:2000) x <- x + k
      i
    }, 1:60, on_error = "return")
    pids <- pool$status()$pid
    random_moment(0.005)
    kill_9(sample(pids, 1))
    got <- result$get(timeout = 30)
    died <- vapply(got, inherits, TRUE, "WorkerDiedError")
    expect_length(got, 60)
    expect_lte(sum(died), 1)
    expect_identical(unlist(got[!died]), (1:60)[!died])
    expect_identical(vapply(got[died], function(e) e$index, 1L), which(died))
    lost <- lost + sum(died)
  }
  expect_identical(pool$map(identity, 1:10), as.list(1:10))
})

test_that("a worker that is killed among quick tasks loses the one that it was in, or none", {
  pool <- local_pool(2)
  n <- 20000L
  for (round in seq_len(rounds(300, 15))) {
    result <- pool$map_async(function(i) i, seq_len(n), if (round %% 2) 500 else NULL, on_error = "return")
    pids <- pool$status()$pid
    random_moment(0.005)
    kill_9(sample(pids, 1))
    got <- result$get(timeout = 30)
    died <- vapply(got, inherits, TRUE, "WorkerDiedError")
    expect_lte(sum(died), 1)
    expect_identical(got[!died], as.list(seq_len(n)[!died]))
  }
  got <- pool$map(function(i) if (i %in% c(50, 99, 100, 701)) tools::pskill(Sys.getpid(), 9L) else i, 1:1000,
    chunksize = 100, on_error = "return")
  expect_identical(got[-c(50, 99, 100, 701)], as.list((1:1000)[-c(50, 99, 100, 701)]))
  expect_identical(vapply(got[c(50, 99, 100, 701)], function(e) e$index, 1L), c(50L, 99L, 100L, 701L))
})

test_that("all workers are killed at once and the map is complete", {
  pool <- local_pool(2)
  for (round in seq_len(rounds(100, 8))) {
    result <- pool$map_async(function(i) {
      x <- 0
      for (k in 1:2000) x <- x + k
      i
    }, 1:60, retries = 3)
    random_moment(0.005)
    for (pid in pool$status()$pid) kill_9(pid)
    expect_identical(result$get(timeout = 30), as.list(1:60))
  }
})

test_that("workers that are killed while they are idle are replaced without a word", {
  pool <- local_pool(2)
  for (round in seq_len(rounds(100, 8))) {
    for (pid in pool$status()$pid) kill_9(pid)
    expect_identical(pool$map(identity, 1:10), as.list(1:10))
  }
  for (round in seq_len(rounds(100, 8))) {
    for (pid in pool$status()$pid) kill_9(pid)
    expect_identical(as.list(pool$imap_unordered(identity, rep(1, 5))), as.list(rep(1, 5)))
  }
})

test_that("a task that kills every worker it is given to is given up after its retries", {
  pool <- local_pool(2)
  got <- pool$map(at_five(ends$SIGKILL), 1:20, retries = 3, on_error = "return")
  expect_death_of_5(got[[5]], "SIGKILL")
  expect_identical(unlist(got[-5]), expected)
})

test_that("a task that kills while large results are written leaves whole results", {
  pool <- local_pool(2)
  for (round in seq_len(rounds(100, 8))) {
    result <- pool$map_async(function(i) rep(i, 50000), 1:40, on_error = "return", chunksize = 1)
    random_moment(0.01)
    kill_9(sample(pool$status()$pid, 1))
    got <- result$get(timeout = 30)
    whole <- vapply(seq_along(got), function(i) identical(got[[i]], rep(i, 50000)), TRUE)
    expect_lte(sum(!whole), 1)
    expect_true(all(vapply(got[!whole], inherits, TRUE, "WorkerDiedError")))
  }
})

test_that("memory of jobs whose workers died comes back", {
  pool <- local_pool(2)
  pool$map(identity, 1:4)
  before <- heap_blocks()
  for (round in 1:10) pool$map(at_five(ends$SIGKILL), 1:20, on_error = "return")
  expect_true(wait_until(function() {
    pool$map(identity, 1:4)
    heap_blocks() <= before + 1
  }))
})

test_that("a worker that cannot be replaced at once is replaced later, and no call waits without workers", {
  skip_on_cran()
  skip_if(!nzchar(Sys.which("prlimit")))
  seen <- in_background_r(function() {
    library(multiprocessing)
    limit_files <- function(n) sprintf("prlimit --pid %d --nofile=%d:", Sys.getpid(), n)
    # started now, as later there is no descriptor for it
    back <- pipe(sprintf("read go && %s", limit_files(1024)), "w")
    pool <- Pool(1)
    go <- Queue()
    dies <- function(i, go) {
      if (i == 1) {
        go$get()
        tools::pskill(Sys.getpid(), 9)
      }
      i
    }
    result <- pool$map_async(dies, 1:6, chunksize = 1, args = list(go), on_error = "return")
    stopifnot(system(limit_files(16)) == 0)
    taken <- list()
    repeat {
      more <- tryCatch(suppressWarnings(file("/dev/null", "r")), error = function(e) NULL)
      if (is.null(more)) break
      taken <- c(taken, list(more))
    }
    stopifnot(system(limit_files(4)) == 0) # what the dead worker leaves is of no use, either
    go$put(TRUE)
    refused <- lapply(1:2, function(k) tryCatch(result$get(timeout = 20), error = identity))
    writeLines("go", back)
    stopifnot(close(back) == 0)
    for (con in taken) close(con)
    got <- result$get(timeout = 20)
    list(
      refused = vapply(refused, inherits, TRUE, "ProcessError"), died = class(got[[1]])[1],
      rest = identical(got[-1], as.list(2:6)), again = identical(pool$map(function(i) i, 1:4), as.list(1:4))
    )
  })
  expect_identical(seen, list(refused = c(TRUE, TRUE), died = "WorkerDiedError", rest = TRUE, again = TRUE))
})

test_that("a call whose workers cannot start computes nothing, also later", {
  skip_on_cran()
  skip_if(!nzchar(Sys.which("prlimit")))
  seen <- in_background_r(function() {
    library(multiprocessing)
    limit_files <- function(n) sprintf("prlimit --pid %d --nofile=%d:", Sys.getpid(), n)
    stopifnot(identical(mclapply(1:2, function(i) i, mc.cores = 2), list(1L, 2L)))
    back <- pipe(sprintf("read go && %s", limit_files(1024)), "w")
    marks <- tempfile(c("one", "two"))
    stopifnot(system(limit_files(4)) == 0)
    refused <- lapply(c(TRUE, FALSE), function(cleanup) {
      tryCatch(mclapply(1:2, function(i) file.create(marks[i]), mc.cores = 2, mc.cleanup = cleanup), error = identity)
    })
    writeLines("go", back)
    stopifnot(close(back) == 0)
    list(
      refused = vapply(refused, inherits, TRUE, "ProcessError"),
      again = identical(mclapply(1:2, function(i) i, mc.cores = 2), list(1L, 2L)), computed = any(file.exists(marks)),
      kept = length(multiprocessing:::session$detached)
    )
  })
  expect_identical(seen, list(refused = c(TRUE, TRUE), again = TRUE, computed = FALSE, kept = 0L))
})

test_that("the heap is sound after all of this", {
  expect_sound_heap()
})
