test_that("forked children map in threads of their own, after the parent used its threads", {
  set.seed(7)
  x <- stats::runif(2e5)
  expected <- list(sqrt(x), thread_reduce(x, "sum", threads = 2))
  both <- function(threads) list(thread_map(x, "sqrt", threads = threads), thread_reduce(x, "sum", threads = threads))
  expect_identical(both(2), expected)
  done <- 0
  while (done < rounds(1000, 60)) {
    jobs <- lapply(c(2, 3), function(threads) parallel::mcparallel(identical(both(threads), expected)))
    expect_identical(both(2), expected) # the parent computes meanwhile
    answers <- parallel::mccollect(jobs)
    expect_identical(unname(answers), list(TRUE, TRUE))
    done <- done + 2
  }
})

test_that("workers of a pool and of mclapply use one thread unless told otherwise", {
  x <- as.numeric(1:300000)
  in_worker <- function(threads) {
    y <- multiprocessing::thread_map(x, "exp", threads = threads)
    identical(y, exp(x))
  }
  thread_map(x, "exp", threads = 2)
  expect_identical(mclapply(list(NULL, 2), in_worker, mc.cores = 2), list(TRUE, TRUE))
  pool <- local_pool(2)
  expect_identical(pool$map(in_worker, list(NULL, 2)), list(TRUE, TRUE))
})

test_that("Ctrl-C ends a map at once, and the next one is right", {
  took <- in_background_r(function(interrupt_later) {
    slow <- cpp_fun("double slow(double x) { for (int i = 0; i < 10000; ++i) x = std::sin(x); return x; }")
    x <- as.numeric(1:1e6)
    sent <- tempfile()
    vapply(1:5, function(round) {
      record <- sprintf("date +%%%%s.%%%%N >%s; kill", sent)
      system(sprintf(sub("kill", record, interrupt_later), Sys.getpid()))
      ended <- tryCatch(
        {
          thread_map(x, slow, threads = 2)
          NA
        },
        interrupt = function(i) as.numeric(Sys.time()) - as.numeric(readLines(sent))
      )
      stopifnot(identical(thread_map(c(1, 4), "sqrt"), c(1, 2)))
      ended
    }, 0)
  }, list(interrupt_later))
  expect_false(anyNA(took))
  expect_prompt(took, 0.2)
})
