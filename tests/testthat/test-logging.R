# What is logged, by which process, at which level, and that nothing is when it is off.

# The records that `expr` makes in this process
records_of <- function(level, expr) {
  records <- list()
  keep <- function(record) records[[length(records) + 1L]] <<- record
  logger <- get_logger()
  old <- logger$getEffectiveLevel()
  logger$addHandler(keep)
  logger$setLevel(level)
  on.exit({
    logger$removeHandler(keep)
    logger$setLevel(old)
  })
  expr
  records
}

messages <- function(records) vapply(records, function(r) r$message, "")

# What the standard error stream of another R says that calls `f`
stderr_of <- function(f, ...) {
  file <- tempfile()
  in_background_r(f, list(...), stderr = file)
  readLines(file)
}

test_that("nothing is logged until it is asked for", {
  expect_identical(stderr_of(function() {
    p <- multiprocessing::Process(function() 1)
    p$start()
    p$join()
    multiprocessing::get_logger()$error("not logged")
  }), character())
})

test_that("levels have Python's numbers and names, and what is lower is not logged", {
  logger <- get_logger()
  expect_identical(logger, get_logger())
  expect_identical(logger$getEffectiveLevel(), 30L)
  got <- records_of("info", {
    logger$debug("no")
    logger$info("yes")
    logger$log(25, "subwarning")
    logger$log("SUBDEBUG", "no")
    logger$log(21, "between")
    logger$critical("last")
  })
  expect_identical(messages(got), c("yes", "subwarning", "between", "last"))
  expect_identical(vapply(got, function(r) r$level, 1L), c(20L, 25L, 21L, 50L))
  expect_identical(vapply(got, function(r) r$levelname, ""), c("INFO", "SUBWARNING", "Level 21", "CRITICAL"))
  expect_identical(got[[1]]$process, Sys.getpid())
  expect_identical(got[[1]]$processName, current_process()$name)
  expect_s3_class(got[[1]]$created, "POSIXct")
  expect_length(records_of(5, logger$log("subdebug", "yes")), 1)
  expect_classed_error(logger$setLevel("LOUD"), "ValueError", "SUBWARNING")
  expect_classed_error(log_to_stderr(-1), "ValueError")
  expect_classed_error(logger$addHandler(1), "ValueError")
  expect_match(format(logger), "<Logger \\(WARNING, 0 handlers\\)>")
})

test_that("a handler that fails is told, and the others are called", {
  bad <- function(record) stop("bad")
  get_logger()$addHandler(bad)
  expect_warning(got <- records_of("INFO", get_logger()$info("x")), "bad")
  get_logger()$removeHandler(bad)
  expect_length(got, 1)
})

test_that("starts, ends and deaths of processes are logged, with their pids", {
  pids <- integer()
  got <- records_of("INFO", {
    for (target in list(function() 1, function() Sys.sleep(60))) {
      p <- Process(target)
      p$start()
      pids <- c(pids, p$pid)
      if (length(pids) == 2L) p$kill()
      p$join()
      p$exitcode
    }
  })
  said <- messages(got)
  for (pid in pids) expect_match(said, sprintf("pid %d\\) was started by fork", pid), all = FALSE)
  expect_match(said, sprintf("pid %d\\) ended with exit code 0", pids[1]), all = FALSE)
  expect_match(said, sprintf("pid %d\\) was killed by signal 9", pids[2]), all = FALSE)
  expect_identical(got[[grep("killed", said)]]$levelname, "WARNING")
})

test_that("a worker's death and replacement are logged, and jobs at the level DEBUG", {
  pool <- local_pool(1)
  body <- function() {
    pool$apply(Sys.getpid)
    pool$map(function(i) if (i == 2) tools::pskill(Sys.getpid(), 9) else i, 1:3, chunksize = 1, on_error = "return")
  }
  said <- messages(records_of("DEBUG", body()))
  expect_match(said, "PoolWorker-1 \\(pid [0-9]+\\) was killed by signal 9", all = FALSE)
  expect_match(said, "worker PoolWorker-1 \\(pid [0-9]+\\) was replaced", all = FALSE)
  expect_match(said, "job [0-9]+ of 1 elements was submitted", all = FALSE)
  expect_match(said, "job [0-9]+ of 3 elements was submitted", all = FALSE)
  expect_match(said, "job [0-9]+ is done, 1 of its elements failed", all = FALSE)
  expect_false(any(grepl("^job", messages(records_of("INFO", body())))))
})

for (method in get_all_start_methods()) {
  test_that(paste("children log, at the level of the one that started them:", method), {
    said <- stderr_of(function(method) {
      multiprocessing::log_to_stderr("INFO")
      context <- multiprocessing::get_context(method)
      p <- context$Process(function() multiprocessing::get_logger()$info("at work"))
      p$start()
      p$join()
      pool <- context$Pool(1)
      pool$apply(function() multiprocessing::get_logger()$debug("not shown"))
      pool$close()
      pool$join()
    }, method)
    expect_match(said, "^\\[INFO/Process-1 pid [0-9]+ [0-9:.]+\\] at work$", all = FALSE)
    expect_match(said, "^\\[INFO/Process-1 pid [0-9]+ [0-9:.]+\\] started by MainProcess", all = FALSE)
    expect_match(said, "^\\[INFO/Process-1 .*\\] ends$", all = FALSE)
    expect_match(said, "^\\[INFO/PoolWorker-1 .*\\] started by MainProcess", all = FALSE)
    expect_false(any(grepl("not shown", said)))
  })
}
