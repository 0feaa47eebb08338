# What only the session can do for its pools and executors, it does while it waits for something else: replaces workers that
# were killed, submits jobs that found no room. Callbacks it calls at the beginning of wait(), and in calls of their pool.

# TRUE once `condition()` is, in a session that waits again and again
comes <- function(condition) {
  never <- Event()
  wait_until(function() {
    gc()
    wait(list(never), timeout = 0.1)
    condition()
  }, timeout = 60)
}

die <- function() tools::pskill(Sys.getpid(), 9L)

test_that("a worker that is killed is replaced while the session waits for what its successor sends", {
  for (method in get_all_start_methods()) {
    queue <- Queue()
    pool <- local_pool(1, context = method)
    lost <- pool$apply_async(die)
    pool$apply_async(function() queue$put("pool"))
    expect_identical(queue$get(timeout = 60), "pool")
    expect_error(lost$get(timeout = 60), class = "WorkerDiedError")
    executor <- local_executor(1, context = method)
    lost <- executor$submit(die)
    executor$submit(function() queue$put("executor"))
    expect_identical(queue$get(timeout = 60), "executor")
    expect_error(lost$result(timeout = 60), class = "WorkerDiedError")
  }
})

test_that("wait() for something else calls callbacks, and they may wait themselves", {
  executor <- local_executor(1)
  pool <- local_pool(1)
  g <- gate()
  called <- Event()
  lock <- Lock()
  told <- NULL
  future <- executor$submit(g$call, 1)
  future$add_done_callback(function(f) {
    with(lock, told <<- c(told, f$result()))
    told <<- c(told, executor$submit(identity, 2)$result(timeout = 60))
    pool$apply_async(identity, list(3), callback = function(value) {
      told <<- c(told, value)
      called$set()
    })
  })
  g$await()
  g$open()
  expect_true(comes(called$is_set))
  expect_identical(told, c(1, 2, 3))
})

for (method in get_all_start_methods()) {
  test_that(paste("a dropped executor: callbacks are called, workers that were killed or have done their calls are replaced:", method), {
    queue <- Queue()
    told <- NULL
    g <- gate()
    local({
      executor <- ProcessPoolExecutor(1, max_tasks_per_child = 2, context = method)
      for (f in list(executor$submit(g$call, "value"), executor$submit(die), executor$submit(function() stop("no")))) {
        f$add_done_callback(function(f) {
          e <- f$exception()
          told <<- c(told, if (is.null(e)) f$result() else class(e)[1])
        })
      }
      for (i in 1:4) executor$submit(function(i) queue$put(i), i)
    })
    for (round in 1:3) gc()
    g$await()
    g$open()
    expect_identical(vapply(1:4, function(i) queue$get(timeout = 60), 1L), 1:4)
    expect_true(comes(function() length(told) == 3L))
    expect_identical(told, c("value", "WorkerDiedError", "TaskError"))
    # then it is forgotten, and its workers end
    expect_true(comes(function() !length(active_children())))
  })
}

test_that("a dropped executor computes more calls than a pool has room for, while the session waits", {
  n <- 17000L # 16,384 fit
  done <- Event()
  sum <- Value("double", 0, lock = FALSE)
  add <- function() sum$value <- sum$value + 1
  environment(add) <- list2env(list(sum = sum), parent = globalenv()) # and not all that testthat has
  local({
    executor <- ProcessPoolExecutor(1)
    for (i in seq_len(n)) executor$submit(add)
    executor$submit(function() done$set())
  })
  for (round in 1:3) gc()
  expect_true(done$wait(300))
  expect_identical(sum$value, as.double(n))
})

test_that("the callbacks of a dropped executor and of a dropped pool are called at a wait, and both end after that", {
  pids <- NULL
  told <- 0
  local({
    executor <- ProcessPoolExecutor(1)
    executor$submit(Sys.getpid)$add_done_callback(function(f) pids <<- c(pids, f$result()))
    Pool(1)$apply_async(Sys.getpid, callback = function(pid) pids <<- c(pids, pid))
  })
  expect_true(comes(function() length(pids) == 2L))
  expect_true(comes(function() all_gone(pids)))
})

test_that("a wait sees what a callback that ran at its beginning or end has taken: a result, one of several", {
  executor <- local_executor(1)
  pool <- local_pool(1)
  waits <- list(
    function(result, last) result$get(timeout = 60), # the callback takes the same one
    function(result, last) result$get(),
    function(result, last) wait(list(result), timeout = 60)[[1]]$get(timeout = 0),
    function(result, last) wait_futures(list(last), timeout = 60)$done[[1]]$result(timeout = 0)
  )
  for (several in c(FALSE, TRUE)) for (waiting in waits) {
    g <- gate()
    other <- executor$submit(g$call)
    g$await()
    last <- executor$submit(identity, 2)
    late <- function(open, ...) {
      open()
      Sys.sleep(0.2) # so that a tick calls the callback while this is computed, at best
      2
    }
    result <- if (several) pool$map_async(late, list(g$open)) else pool$apply_async(late, list(g$open))
    other$add_done_callback(function(f) {
      last$result(timeout = 60)
      result$get(timeout = 60)
    })
    expect_identical(unlist(waiting(result, last)), 2)
  }
})

test_that("Ctrl-C in a callback ends the wait that called it, and nothing else is lost", {
  executor <- local_executor(1)
  g <- gate()
  future <- executor$submit(g$call, 1)
  future$add_done_callback(function(f) signalCondition(structure(class = c("interrupt", "condition"), list(message = "", call = NULL))))
  future$add_done_callback(function(f) NULL)
  g$await()
  g$open()
  waited <- tryCatch(comes(function() FALSE), interrupt = function(i) "interrupted")
  expect_identical(waited, "interrupted")
  expect_identical(future$result(), 1)
  expect_identical(executor$submit(identity, 2)$result(timeout = 60), 2)
})

test_that("a jump out of a callback leaves the others, however many, to be called later", {
  executor <- local_executor(1)
  g <- gate()
  executor$submit(g$call)$add_done_callback(function(f) signalCondition(structure(class = c("interrupt", "condition"), list(message = "", call = NULL))))
  told <- 0L
  for (i in 1:100) executor$submit(identity, i)$add_done_callback(function(f) told <<- told + 1L)
  g$await()
  g$open()
  last <- executor$submit(identity, "last")
  jumped <- tryCatch(comes(function() last$done() && FALSE), interrupt = function(i) "jumped")
  expect_identical(jumped, "jumped")
  expect_true(comes(function() told == 100L))
})

test_that("workers that mc.cleanup has killed are not started again by a later wait", {
  skip_on_cran()
  skip_if_interrupts_are_ignored()
  file <- tempfile()
  session <- background_r(function(file) {
    library(multiprocessing)
    tryCatch(
      mclapply(1:4, function(i) {
        cat(i, "\n", file = file, append = TRUE)
        Sys.sleep(if (i <= 2) 600 else 0)
      }, mc.cores = 2, mc.preschedule = FALSE, mc.cleanup = tools::SIGKILL),
      interrupt = function(i) NULL
    )
    Event()$wait(0.5)
    length(active_children())
  }, list(file), stderr = tempfile())
  on.exit(session$kill_tree())
  expect_true(wait_until(function() file.exists(file) && length(readLines(file)) >= 2L, timeout = 60))
  tools::pskill(session$get_pid(), tools::SIGINT)
  session$wait(60000)
  expect_length(readLines(file), 2L) # 3 and 4 are not computed any more
})

test_that("a pool that breaks while the session waits for something else says so at its next call", {
  pool <- Pool(1, initializer = function() quit(status = 3))
  expect_false(Event()$wait(0.5))
  expect_true(wait_until(function() inherits(error_of(pool$apply(identity, list(1))), "BrokenProcessPool"), timeout = 60))
  pool$terminate()
})

test_that("the heap is sound after all of this", {
  expect_sound_heap()
})
