# What an object prints is its state.
shown <- function(x) paste(capture.output(print(x)), collapse = "\n")

test_that("a pool says whether it runs, is closed or terminated, and what is unfinished", {
  pool <- Pool(2)
  expect_identical(shown(pool), "<Pool of 2 workers (fork, running)>")
  pool$close()
  pool$join()
  expect_identical(shown(pool), "<Pool of 2 workers (fork, closed, its workers have left)>")
  other <- Pool(1)
  gate <- Queue()
  waiting <- other$apply_async(function(gate) gate$get(), list(gate))
  expect_identical(shown(other), "<Pool of 1 worker (fork, running, 1 job unfinished)>")
  gate$put(1)
  waiting$get()
  other$terminate()
  expect_identical(shown(other), "<Pool of 1 worker (fork, terminated)>")
})

test_that("a result says whether it runs, has finished, failed or was cancelled", {
  pool <- local_pool(1)
  gate <- Queue()
  result <- pool$map_async(function(i, gate) gate$get(), 1:3, chunksize = 1, args = list(gate))
  expect_match(shown(result), "running, [01] of 3 elements done")
  for (i in 1:3) gate$put(i)
  result$wait()
  expect_match(shown(result), "finished")
  failed <- pool$apply_async(function() stop("no"))
  failed$wait()
  expect_match(shown(failed), "failed: TaskError")
  cancelled <- pool$apply_async(function(gate) gate$get(), list(gate))
  cancelled$cancel()
  expect_match(shown(cancelled), "cancelled")
})

test_that("a lock says which process holds it", {
  lock <- RLock()
  expect_match(shown(lock), "\\(free\\)")
  with(lock, expect_match(shown(lock), sprintf("held by this process, pid %d", Sys.getpid())))
  held <- Queue()
  p <- Process(function(lock, held) {
    lock$acquire()
    held$put(1)
    Sys.sleep(600)
  }, list(lock, held), name = "holder")
  p$start()
  held$get()
  expect_match(shown(lock), sprintf("held by process %d \\(holder\\)", p$pid))
  p$kill()
  p$join()
  expect_match(shown(p), "stopped, exit code -9, killed by SIGKILL")
  expect_match(shown(lock), "free")
})

test_that("queues, connections and iterators say how much there is", {
  queue <- Queue(3)
  queue$put(1)
  expect_match(shown(queue), "1 message of at most 3")
  expect_match(shown(SimpleQueue()), "0 messages")
  queue$close()
  expect_match(shown(queue), "<Queue \\(closed\\)>")
  ends <- Pipe(duplex = FALSE)
  ends[[2]]$send(1)
  expect_match(shown(ends), "receives, 1 message waiting.*sends")
  ends[[2]]$close()
  expect_match(shown(ends), "the other end is closed.*Connection \\(closed\\)")
  pool <- local_pool(1)
  iterator <- pool$imap(sqrt, 1:3)
  iterator$next_value()
  expect_match(shown(iterator), "in order, 1 of 3 given")
  i <- 0
  lazy <- pool$imap_unordered(sqrt, function() if ((i <<- i + 1) > 3) stop("StopIteration") else i)
  lazy$next_value()
  expect_match(shown(lazy), "as they finish, 1 given, 2 pulled")
})

test_that("a handle that was restored from another session prints that it is closed", {
  manager <- Manager()
  ends <- Pipe() # both are kept: a pipe whose other end was collected says that it is closed
  handles <- list(
    Lock(), RLock(), Semaphore(2), BoundedSemaphore(1), Event(), Condition(), Barrier(2), Queue(), SimpleQueue(),
    JoinableQueue(), Value("i", 1), Array("d", 3), ends[[1]], manager$dict(a = 1), manager$list(1, 2), manager$Namespace(a = 1)
  )
  for (handle in handles) {
    expect_no_match(format(handle), "closed")
    restored <- unserialize(serialize(handle, NULL))
    expect_match(format(restored), "^<[A-Za-z]+ \\(closed\\)>$")
    expect_output(print(restored), "closed")
  }
})

test_that("a handle has few classes, since each of them costs every call of a method, and prints itself", {
  for (handle in list(Lock(), Queue(), SimpleQueue(), Event(), Semaphore(), Pipe()[[1]], Barrier(1), Value("double", 1))) {
    expect_length(class(handle), 2)
    expect_s3_class(handle, "multiprocessing_handle")
    expect_identical(shown(handle), format(handle))
    expect_match(format(handle), "^<")
  }
  expect_s3_class(JoinableQueue(), "Queue")
})

test_that("methods of handles are compiled with the package", {
  is_compiled <- function(fun) any(grepl("^<bytecode", capture.output(print(fun))))
  skip_if_not(is_compiled(multiprocessing::Lock), "the package is not compiled")
  manager <- Manager()
  handles <- list(
    Lock(), Queue(), SimpleQueue(), JoinableQueue(), Pipe()[[1L]], Semaphore(), Event(), Condition(), Barrier(1), Value("i", 1),
    Array("d", 2), manager$dict(), manager$list(), manager$set(), local_pool(1)
  )
  for (handle in handles) {
    for (name in ls(handle)) {
      if (bindingIsActive(name, handle)) next
      expect_true(is_compiled(.subset2(handle, name)), label = paste0(class(handle)[1L], "$", name))
    }
  }
})

test_that("a handle shows itself by print() and by its method", {
  lock <- Lock()
  expect_output(print(lock), "<Lock #")
  expect_output(lock$print(), "<Lock #")
  expect_error(lock$acquire <- 1, "locked")
  expect_error(lock$other <- 1, "locked")
})
