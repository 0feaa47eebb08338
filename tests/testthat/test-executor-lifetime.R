# How long workers, calls and what they hold live: the end of a script, of an executor, of a future, of an iterator.

# Whether what `f` makes is freed: `f` gives the function that it is called with an environment to hold
freed <- function(f) {
  count <- 0L
  tracked <- function() {
    e <- new.env(parent = emptyenv())
    reg.finalizer(e, function(e) count <<- count + 1L)
    e
  }
  kept <- f(tracked)
  for (round in 1:3) gc()
  force(kept)
  count
}

# Evaluates `expr` while this function of the package fails
with_failing <- function(name, class, expr) {
  package <- asNamespace("multiprocessing")
  before <- get(name, package)
  put <- function(value) {
    unlockBinding(name, package)
    assign(name, value, package)
    lockBinding(name, package)
  }
  on.exit(put(before))
  put(function(...) multiprocessing:::abort(class, "not now"))
  expr
}

for (method in get_all_start_methods()) {
  test_that(paste("the end of a script waits for what its executors compute, shut down or not, and for their callbacks:", method), {
    skip_on_cran()
    script <- c(
      "executor <- ProcessPoolExecutor(1, context = args[1], max_tasks_per_child = if (args[2] == 'replaced') 1)",
      "cat(executor$submit(Sys.getpid)$result(), sep = '\\n')",
      # it is finished no earlier than R ends: this finalizer is the first one that runs then
      "invisible(reg.finalizer(globalenv(), function(e) file.create(args[3]), onexit = TRUE))",
      "write_late <- function(go, file) {",
      "  while (!file.exists(go)) Sys.sleep(0.001)",
      "  writeLines('computed', file)",
      "}",
      "future <- executor$submit(write_late, args[3], args[4])",
      "dropped <- args[2] %in% c('dropped', 'collected')",
      "if (!dropped) future$add_done_callback(function(f) cat('called back\\n'))",
      "second <- executor$submit(writeLines, 'computed', paste0(args[4], '-2'))",
      "if (args[2] == 'shut') executor$shutdown(wait = FALSE)",
      "if (dropped) rm(executor, future, second)",
      "if (args[2] == 'collected') for (round in 1:3) invisible(gc())"
    )
    for (how in c("kept", "shut", "dropped", "collected", "replaced")) {
      go <- tempfile()
      file <- tempfile()
      said <- run_script(script, c(method, how, go, file))
      expect_null(attr(said, "status"), label = how)
      expect_match(said[1], "^[0-9]+$", label = how)
      expect_identical(said[-1], if (how %in% c("dropped", "collected")) character() else "called back", label = how)
      expect_identical(readLines(file), "computed", label = how)
      expect_identical(readLines(paste0(file, "-2")), "computed", label = how)
      expect_true(wait_until(function() is_gone(as.integer(said[1]))), label = how)
      unlink(c(go, file, paste0(file, "-2")))
    }
  })

  test_that(paste("Ctrl-C while R ends gives up what its executors compute, and processes that it waits for:", method), {
    skip_on_cran()
    skip_if_interrupts_are_ignored()
    busy <- paste(
      "busy <- function() { executor <- ProcessPoolExecutor(1, context = args[1]); pid <- executor$submit(Sys.getpid)$result()",
      "executor$submit(endless); list(pid, executor) }",
      sep = "; "
    )
    begins <- c(
      executor = paste(busy, "kept <- busy(); pid <- kept[[1]]", sep = "; "),
      executors = paste(busy, "kept <- busy(); pid <- c(kept[[1]], busy()[[1]], busy()[[1]]); for (round in 1:3) gc()", sep = "; "),
      process = "pid <- Process(endless, context = args[1])$start()$pid"
    )
    for (begin in begins) {
      script <- c(
        "endless <- function() repeat Sys.sleep(1)", begin, "cat(paste(pid, '\\n'), sep = '')",
        "reg.finalizer(globalenv(), function(e) system(sprintf(args[2], Sys.getpid())), onexit = TRUE)"
      )
      said <- run_script(script, c(method, interrupt_later))
      expect_null(attr(said, "status")) # 124 if it did not end
      pids <- as.integer(grep("^[0-9]+ $", said, value = TRUE))
      expect_gt(length(pids), 0L)
      expect_true(wait_until(function() all_gone(pids)))
    }
  })

  test_that(paste("a process that ends waits for what its executors compute:", method), {
    file <- tempfile()
    p <- Process(function() {
      executor <- ProcessPoolExecutor(1)
      executor$submit(writeLines, "computed", file)
      rm(executor)
      NULL
    }, context = method)
    p$start()
    p$join()
    expect_identical(p$exitcode, 0L)
    expect_identical(readLines(file), "computed")
  })

  test_that(paste("an executor that is dropped computes what was submitted, and then its workers end:", method), {
    for (shut in c(FALSE, TRUE)) {
      file <- tempfile()
      g <- gate()
      pid <- local({
        executor <- ProcessPoolExecutor(1, context = method)
        pid <- executor$submit(Sys.getpid)$result(timeout = 60)
        executor$submit(g$call)
        for (i in 1:3) executor$submit(cat, i, file = file, append = TRUE)
        if (shut) executor$shutdown(wait = FALSE)
        pid
      })
      for (round in 1:3) gc()
      g$await()
      g$open()
      # without any call of the package
      expect_true(wait_until(function() is_gone(pid), timeout = 60))
      expect_identical(readLines(file, warn = FALSE), "123")
    }
  })

  test_that(paste("a script may submit and await calls while it ends:", method), {
    skip_on_cran()
    script <- c(
      "executor <- ProcessPoolExecutor(1, context = args[1])",
      "at_end <- function(e) {",
      "  if (args[3] == 'new') executor <- ProcessPoolExecutor(1, context = args[1])",
      "  cat(executor$submit(function() 'said')$result(timeout = 60), '\\n', sep = '')",
      "}",
      "if (args[2] == 'finalizer') invisible(reg.finalizer(globalenv(), at_end, onexit = TRUE)) else .Last <- function() at_end()",
      "if (args[3] == 'shut') executor$shutdown()"
    )
    for (where in c("finalizer", "last")) {
      for (which in c("old", "new")) {
        said <- run_script(script, c(method, where, which))
        expect_identical(as.vector(said), "said", label = paste(where, which))
      }
      said <- run_script(script, c(method, where, "shut"))
      expect_match(paste(said, collapse = "\n"), "executor was shut down", label = where)
    }
  })

  test_that(paste("after shutdown() the processes of all workers have ended:", method), {
    executor <- ProcessPoolExecutor(2, context = method)
    executor$submit(identity, 1)$result(timeout = 60)
    pids <- vapply(active_children(), function(p) p$pid, 1L)
    expect_gte(length(pids), 1L)
    executor$shutdown()
    expect_true(all_gone(pids))
  })

  test_that(paste("calls whose futures are dropped are computed:", method), {
    executor <- ProcessPoolExecutor(1, context = method)
    queue <- Queue()
    for (i in 1:20) executor$submit(function(i) queue$put(i), i)
    gc()
    for (i in 21:40) executor$submit(function(i) queue$put(i), i)
    executor$shutdown(wait = FALSE)
    gc()
    expect_identical(vapply(1:40, function(i) queue$get(timeout = 60), 1L), 1:40)
    executor$shutdown()
  })

  test_that(paste("the iterator of map() outlives its executor, also one that was shut down:", method), {
    for (shut in c(FALSE, TRUE)) {
      iterator <- local({
        executor <- ProcessPoolExecutor(2, context = method)
        iterator <- executor$map(function(i) i * 2, 1:20)
        if (shut) executor$shutdown(wait = FALSE)
        iterator
      })
      gc()
      expect_identical(unlist(as.list(iterator)), 2 * 1:20)
    }
  })

  test_that(paste("submit, cancel and shutdown in sequence end, round after round:", method), {
    for (round in 1:5) {
      executor <- ProcessPoolExecutor(1, context = method)
      g <- gate()
      first <- executor$submit(g$call, 1)
      g$await()
      second <- executor$submit(identity, 2)
      third <- executor$submit(identity, 3)
      expect_true(second$cancel())
      g$open()
      if (round %% 2) executor$shutdown() else executor$shutdown(wait = FALSE)
      expect_identical(list(first$result(timeout = 60), third$result(timeout = 60)), list(1, 3))
      expect_true(second$cancelled())
      executor$shutdown()
    }
  })

  test_that(paste("workers that are replaced after each call compute a backlog, also when the executor is shut down and dropped:", method), {
    fs <- local({
      executor <- ProcessPoolExecutor(2, max_tasks_per_child = 1, context = method)
      fs <- lapply(1:8, function(i) executor$submit(function(i) if (i == 3) stop("three") else c(i, Sys.getpid()), i))
      executor$shutdown(wait = FALSE)
      fs
    })
    gc()
    wait_futures(fs, timeout = 120)
    expect_s3_class(fs[[3]]$exception(), "TaskError")
    got <- vapply(fs[-3], function(f) f$result(), integer(2))
    expect_identical(got[1, ], c(1:2, 4:8))
    expect_false(anyDuplicated(got[2, ]) > 0L)
  })
}

test_that("fifteen times as many calls as workers wait for a semaphore and finish", {
  executor <- local_executor(2)
  semaphore <- Semaphore(0)
  fs <- lapply(1:30, function(i) executor$submit(function() semaphore$acquire()))
  for (i in 1:30) semaphore$release()
  expect_length(wait_futures(fs, timeout = 120)$done, 30)
  expect_true(all(vapply(fs, function(f) f$result(), TRUE)))
})

test_that("a future holds neither its arguments nor, when it is dropped, its value", {
  executor <- local_executor(1)
  g <- gate()
  running <- NULL
  expect_identical(freed(function(tracked) running <<- executor$submit(function(e, call) call(), tracked(), g$call)), 1L)
  g$open()
  running$result(timeout = 60)
  expect_identical(freed(function(tracked) {
    future <- executor$submit(identity, 1)
    future$add_done_callback(function(f) assign("held", tracked(), environment()))
    future$result(timeout = 60)
    executor$submit(identity, 2)$result(timeout = 60)
    future
  }), 1L)
  count <- 0L
  local({
    future <- executor$submit(function() new.env())
    reg.finalizer(future$result(timeout = 60), function(e) count <<- count + 1L)
    gc()
    stopifnot(count == 0L)
  })
  gc()
  expect_identical(count, 1L)
})

test_that("the iterator of map() holds neither what it was given nor the values that it gave", {
  executor <- local_executor(1)
  iterator <- NULL
  expect_identical(freed(function(tracked) iterator <<- executor$map(function(e, i) new.env(), list(tracked(), tracked(), tracked()), 1:3)), 3L)
  for (chunksize in c(1L, 3L)) {
    iterator <- executor$map(function(i) new.env(), 1:3, chunksize = chunksize)
    count <- 0L
    for (i in 1:2) reg.finalizer(iterator$next_value(), function(e) count <<- count + 1L)
    gc()
    expect_identical(count, 2L)
    expect_true(iterator$has_next())
  }
})

test_that("as_completed() holds no future that it gave", {
  executor <- local_executor(1)
  iterator <- as_completed(lapply(1:3, function(i) executor$submit(identity, i)), timeout = 60)
  count <- 0L
  for (i in 1:2) reg.finalizer(iterator$next_value(), function(e) count <<- count + 1L)
  gc()
  expect_identical(count, 2L)
  expect_true(iterator$has_next())
})

test_that("an executor is dropped also where its initializer and its callbacks refer to it", {
  pid <- local({
    executor <- ProcessPoolExecutor(1, initializer = function() NULL) # its environment has the executor
    future <- executor$submit(Sys.getpid)
    future$add_done_callback(function(f) future)
    future$result(timeout = 60)
  })
  for (round in 1:3) gc()
  expect_true(wait_until(function() is_gone(pid), timeout = 60))
})

test_that("executors that were dropped are forgotten once they have computed all, also where workers must be replaced", {
  file <- tempfile()
  local({
    executor <- ProcessPoolExecutor(1, max_tasks_per_child = 1)
    for (i in 1:3) executor$submit(cat, i, file = file, append = TRUE)
  })
  for (round in 1:3) gc()
  lives <- function() {
    ProcessPoolExecutor(1)$shutdown()
    length(multiprocessing:::dropped_lives())
  }
  expect_true(wait_until(function() lives() == 0L, timeout = 60))
  expect_identical(readLines(file, warn = FALSE), "123")
  # idle workers of a dropped executor end, too
  pid <- ProcessPoolExecutor(1)$submit(Sys.getpid)$result(timeout = 60)
  for (round in 1:3) gc()
  expect_true(wait_until(function() is_gone(pid), timeout = 60))
})

test_that("an executor that is dropped while another one begins or is forgotten computes all, also where workers must be replaced", {
  session <- multiprocessing:::session
  lives <- session$lives
  held <- NULL
  # R's collector comes when the variable was read, and before what was read is used
  collecting <- function(value) {
    if (!missing(value)) {
      return(lives <<- value)
    }
    before <- lives
    if (!is.null(held)) {
      held <<- NULL
      for (round in 1:3) gc()
    }
    before
  }
  rm("lives", envir = session)
  makeActiveBinding("lives", collecting, session)
  on.exit({
    rm("lives", envir = session)
    session$lives <- lives
  })
  busy <- function(g, file) {
    executor <- ProcessPoolExecutor(1, max_tasks_per_child = 1)
    executor$submit(g$call)
    executor$submit(writeLines, "computed", file)
    executor
  }
  other <- ProcessPoolExecutor(1)
  changes <- list(
    begins = function() ProcessPoolExecutor(1)$shutdown(),
    is_forgotten = function() multiprocessing:::forget_life(multiprocessing:::private_of(other)$life)
  )
  ended <- function() {
    multiprocessing:::attend_dropped()
    length(multiprocessing:::dropped_lives()) == 0L
  }
  for (round in 1:3) gc()
  expect_true(wait_until(ended, timeout = 60))
  for (change in names(changes)) {
    g <- gate()
    file <- tempfile()
    executor <- busy(g, file)
    g$await()
    held <- executor
    executor <- NULL
    changes[[change]]()
    expect_null(held, label = change)
    expect_length(multiprocessing:::dropped_lives(), 1L)
    g$open()
    expect_true(wait_until(ended, timeout = 60), label = change)
    expect_identical(readLines(file), "computed", label = change)
  }
  other$shutdown()
})

test_that("an error that may pass costs an executor that was dropped no call, and a broken one is forgotten", {
  ended <- function() length(multiprocessing:::dropped_lives()) == 0L
  attend <- function() multiprocessing:::attend_dropped()
  for (round in 1:3) gc()
  expect_true(wait_until(function() {
    attend()
    ended()
  }, timeout = 60))
  for (class in c("TimeoutError", "HeapFullError", "ProcessError")) {
    g <- gate()
    file <- tempfile()
    pid <- local({
      executor <- ProcessPoolExecutor(1)
      pid <- executor$submit(Sys.getpid)$result(timeout = 60)
      executor$submit(g$call)
      executor$submit(writeLines, "computed", file)
      pid
    })
    g$await()
    for (round in 1:3) gc()
    with_failing("pool_join", class, attend())
    expect_false(ended(), label = class)
    for (round in 1:3) gc()
    expect_false(is_gone(pid), label = class)
    g$open()
    expect_true(wait_until(function() {
      attend()
      ended()
    }, timeout = 60), label = class)
    expect_identical(readLines(file), "computed", label = class)
  }
  local({
    executor <- ProcessPoolExecutor(1, initializer = function() quit(status = 1))
    executor$submit(identity, 1)
  })
  for (round in 1:3) gc()
  expect_true(wait_until(function() {
    attend()
    ended()
  }, timeout = 60))
})

test_that("what calls, results, iterators and errors took of the heap is free when they are dropped", {
  round <- function() {
    executor <- ProcessPoolExecutor(2)
    fs <- lapply(1:20, function(i) executor$submit(function(n) numeric(n), 1e5))
    for (f in fs[1:10]) f$result(timeout = 60)
    iterator <- executor$map(function(i) numeric(1e5), 1:10, chunksize = 3)
    iterator$next_value()
    executor$submit(function() stop("no"))$exception(timeout = 60)
    executor$submit(identity, numeric(1e5))$cancel()
    as_completed(fs, timeout = 60)$next_value()
    executor$shutdown()
  }
  round()
  before <- heap_blocks()
  for (i in 1:3) round()
  expect_true(wait_until(function() heap_blocks() <= before, timeout = 60))
})

test_that("the heap is sound after all of this", {
  expect_sound_heap()
})
