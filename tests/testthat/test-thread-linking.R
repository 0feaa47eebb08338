# The example package is built once, by the package that is tested, and used by all tests here.
linking <- local({
  loaded <- NULL
  function() {
    skip_on_cran()
    if (is.null(loaded)) {
      library <- tempfile("linking-library-")
      dir.create(library)
      source <- file.path(tempfile("linking-"), "linking")
      dir.create(dirname(source))
      file.copy(system.file("examples", "linking", package = "multiprocessing"), dirname(source), recursive = TRUE)
      output <- suppressWarnings(system2(
        file.path(R.home("bin"), "R"), c("CMD", "INSTALL", "--no-docs", paste0("--library=", library), source),
        stdout = TRUE, stderr = TRUE, env = c("R_TESTS=''", paste0("R_LIBS=", shQuote(paste(.libPaths(), collapse = ":"))))
      ))
      if (!is.null(attr(output, "status"))) stop(paste(output, collapse = "\n"))
      loaded <<- loadNamespace(basename(source), lib.loc = library)
    }
    loaded
  }
})

test_that("a function of another package is mapped", {
  pkg <- linking()
  x <- as.numeric(1:300000)
  expect_identical(thread_map(x, pkg$square(), threads = 2), x * x)
})

test_that("loops give the same for any number of threads", {
  pkg <- linking()
  x <- as.numeric(1:100000)
  for (threads in 0:3) expect_identical(pkg$running_roots(x, threads), sqrt(x))
  sums <- lapply(0:4, function(threads) pkg$harmonic(1e6, threads))
  expect_length(unique(sums), 1)
  expect_equal(sums[[1]], sum(1 / (1:1e6)))
})

test_that("what a thread throws is thrown on R's thread", {
  pkg <- linking()
  for (where in c(0, 77777, 99999)) {
    expect_error(pkg$fail_at(1e5, where), sprintf("element %d", where))
  }
  expect_silent(pkg$fail_at(1e5, 1e6))
})

test_that("threads of two processes count in one array", {
  pkg <- linking()
  counts <- pkg$new_counts(10L)
  values <- rep(0:9, 5000)
  processes <- lapply(1:2, function(i) Process(function(c) pkg$count(c, values), list(counts)))
  for (p in processes) p$start()
  pkg$count(counts, values)
  for (p in processes) p$join()
  expect_identical(pkg$read_counts(counts), rep(15000L, 10))
})

test_that("threads of two processes and R code share one lock", {
  pkg <- linking()
  lock <- Lock()
  total <- pkg$new_total()
  process <- Process(function() pkg$add_many(total, lock, 5000L))
  process$start()
  pkg$add_many(total, lock, 5000L)
  process$join()
  expect_identical(process$exitcode, 0L)
  expect_identical(pkg$read_total(total), 20000)
  expect_false(lock$locked())
  expect_identical(pkg$error_kind(lock), "ValueError: release of a lock that is not held")
  expect_match(pkg$error_kind(Queue()), "expected a Lock[(][)], not a Queue")
  expect_match(pkg$error_kind(RLock()), "threads need a Lock")
})

test_that("a free lock costs little", {
  pkg <- linking()
  lock <- Lock()
  ns <- min(vapply(1:20, function(i) pkg$lock_ns(lock, 10000L), 0))
  expect_lte(ns, 200) # bench/threads.R measures; this finds a lock that has become a system call
})

test_that("numbers go both ways between threads and R code in other processes", {
  pkg <- linking()
  queue <- Queue(5)
  process <- Process(function() vapply(1:100, function(i) queue$get(timeout = 20), 0))
  process$start()
  pkg$put_numbers(queue, 1, 100)
  expect_setequal(process$value(timeout = 20), 1:100)

  sender <- Process(function() for (i in 1:100) queue$put(as.numeric(i)))
  sender$start()
  expect_identical(pkg$sum_of_numbers(queue, 100), 5050)
  sender$join()

  expect_true(pkg$point_comes_back(42L))
  queue$put("text")
  expect_error(pkg$sum_of_numbers(queue, 1), "not one value of the type")
})

test_that("processes meet at a barrier, and one that waits too long breaks it", {
  pkg <- linking()
  barrier <- pkg$new_barrier(2L)
  process <- Process(function() pkg$meet(barrier))
  process$start()
  expect_true(pkg$meet(barrier))
  expect_true(process$value(timeout = 20))
  barrier <- pkg$new_barrier(2L)
  expect_false(pkg$meet(barrier, 0.01))
  expect_error(pkg$meet(barrier), "given up")
  expect_error(pkg$new_barrier(0L), "one party at least")
})

test_that("Ctrl-C ends a loop and threads that wait for a lock", {
  pkg <- linking()
  lock <- Lock()
  lock$acquire()
  installed <- getNamespaceInfo(pkg, "path")
  interrupted <- in_background_r(function(installed, interrupt_later) {
    pkg <- loadNamespace(basename(installed), lib.loc = dirname(installed))
    lock <- Lock()
    lock$acquire()
    catch <- function(expr) {
      system(sprintf(interrupt_later, Sys.getpid()))
      tryCatch(expr, interrupt = function(i) "interrupted")
    }
    answers <- c(catch(pkg$loop_for_ever()), catch(pkg$wait_in_threads(lock)))
    lock$release()
    c(answers, if (lock$acquire(block = FALSE)) "free")
  }, list(installed, interrupt_later))
  expect_identical(interrupted, c("interrupted", "interrupted", "free"))
  lock$release()
})

test_that("what threads shared is freed", {
  pkg <- linking()
  before <- heap_blocks()
  for (i in 1:50) {
    counts <- pkg$new_counts(1000L)
    pkg$count(counts, 0:9)
  }
  rm(counts)
  pkg$new_total() # the next call frees what threads held
  expect_lte(heap_blocks(), before + 2)
  expect_sound_heap()
})
