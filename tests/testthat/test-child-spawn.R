# What a fresh R has, and has not, from the session that spawned it.

with_profile <- function(lines, code) {
  profile <- tempfile()
  writeLines(lines, profile)
  old <- Sys.getenv("R_PROFILE_USER", NA)
  Sys.setenv(R_PROFILE_USER = profile)
  on.exit(if (is.na(old)) Sys.unsetenv("R_PROFILE_USER") else Sys.setenv(R_PROFILE_USER = old))
  code
}

attach_package <- function() sprintf("library(multiprocessing, lib.loc = %s)", deparse(package_library()))

test_that("a profile that spawns is told why not, and starts no R without end", {
  skip_on_cran()
  log <- tempfile()
  noted <- function(code) {
    sprintf(
      "tryCatch(%s, error = function(e) cat(class(e)[1], conditionMessage(e), '\\n', file = '%s', append = TRUE))", code, log
    )
  }
  profile <- c(
    attach_package(),
    noted("Process(function() 1, context = 'spawn')$start()"),
    "set_start_method('spawn')",
    noted("Pool(2)"),
    "set_start_method('fork', force = TRUE)",
    noted("Process(function() Process(function() 2, context = 'spawn')$start()$value())$start()$value()"),
    noted("if (is.null(parent_process())) Pool(2, context = 'spawn')") # as the message advises
  )
  before <- children_of()
  with_profile(profile, {
    expect_identical(suppressMessages(Process(function() 42, context = "spawn")$start()$value(timeout = 120)), 42)
  })
  lines <- readLines(log)
  expect_length(lines, 3)
  expect_match(lines, "still starts")
  expect_match(lines[1:2], "^ProcessError ")
  expect_match(lines[3], "^TaskError ")
  expect_setequal(children_of(), before)
})

test_that("a pool whose workers' profile spawns without asking ends with an error", {
  skip_on_cran()
  q <- Queue()
  said <- capture.output(type = "message", {
    with_profile(c(attach_package(), ".First <- function() Pool(2, context = 'spawn')"), {
      pool <- Pool(1, context = "spawn")
      e <- error_of(pool$map(identity, 1:2))
      pool$terminate()
    })
  })
  if (!is.null(e)) expect_s3_class(e, "ProcessError")
  expect_match(paste(said, collapse = " "), "still starts")
})

test_that("a spawned R has as many open files, however many others run", {
  skip_on_cran()
  queue <- Queue()
  stop <- Event()
  ps <- lapply(1:5, function(i) {
    p <- Process(function() {
      queue$put(length(list.files("/proc/self/fd")))
      stop$wait(60)
    }, context = "spawn")
    p$start()
    p
  })
  counts <- vapply(ps, function(p) queue$get(timeout = 60), 1L)
  stop$set()
  for (p in ps) p$join()
  expect_length(unique(counts), 1)
})

test_that("a package that a spawned R loads for its task cannot spawn in .onLoad; the task can", {
  skip_on_cran()
  nested <- function() Process(function() 7, context = "spawn")$start()$value(timeout = 60)
  expect_identical(Process(nested, context = "spawn")$start()$value(timeout = 120), 7)
  pool <- local_pool(1, context = "spawn")
  expect_identical(pool$map(function(i) with(p <- Pool(1, context = "spawn"), p$map(function(i) i, i)[[1]]), 5), list(5))
})

test_that("parent_process() in a profile knows the pid of the parent, and the task its name", {
  skip_on_cran()
  log <- tempfile()
  with_profile(c(attach_package(), sprintf("cat(parent_process()$pid, parent_process()$name, file = '%s')", log)), {
    p <- Process(function() list(parent_process(), Sys.getenv("MULTIPROCESSING_SPAWN")), context = "spawn")$start()
    expect_identical(p$value(timeout = 60), list(list(pid = Sys.getpid(), name = "MainProcess"), ""))
  })
  expect_identical(readLines(log, warn = FALSE), paste(Sys.getpid(), "NA"))
})

test_that("a program that a spawned R's profile starts has no descriptor of the session's memory", {
  skip_on_cran()
  files <- tempfile()
  with_profile(sprintf("system('ls -l /proc/self/fd > %s')", files), {
    expect_identical(Process(function() 1, context = "spawn")$start()$value(timeout = 60), 1)
  })
  expect_false(any(grepl("memfd:multiprocessing( |$)", readLines(files))))
})

test_that("a spawned R inherits no open file of the session: a pipe's reader sees its end", {
  skip_on_cran()
  value <- in_background_r(function() {
    con <- pipe("cat > /dev/null", "w")
    on.exit(close(con))
    q <- Queue()
    p <- Process(function(q) q$get(), list(q), context = "spawn")$start()
    on.exit()
    close(con) # waits until the program has ended, which it does at the end of its input
    q$put("closed")
    p$value(timeout = 60)
  }, timeout = 60)
  expect_identical(value, "closed")
  open <- tempfile()
  files <- file(open, "w")
  on.exit(close(files))
  links <- Process(function() Sys.readlink(list.files("/proc/self/fd", full.names = TRUE)), context = "spawn")$start()$value()
  expect_false(normalizePath(open) %in% links)
})

test_that("what a spawned process was sent is gone when it has read it: an end of a pipe is closed, the memory is free", {
  skip_on_cran()
  e <- Pipe()
  p <- Process(function(w) w$close(), list(e[[2]]), context = "spawn")$start()
  e[[2]]$close()
  p$join(timeout = 60)
  expect_classed_error(
    {
      expect_true(e[[1]]$poll(60))
      e[[1]]$recv()
    },
    "EOFError"
  )
  bytes <- function() {
    gc()
    heap_state()$bytes
  }
  before <- bytes()
  p <- Process(function(x) length(x), list(rnorm(1e6)), context = "spawn")$start()
  expect_identical(p$value(timeout = 60), 1000000L)
  expect_lt(bytes() - before, 1e6)
  pool <- local_pool(2, context = "spawn", initializer = function(x) NULL, initargs = list(rnorm(1e6)))
  pool$map(identity, 1:2, chunksize = 1)
  expect_true(wait_until(function() bytes() - before < 1e6, 60))
})

test_that("what was sent to a process that died before it read it is gone with it", {
  skip_on_cran()
  e <- Pipe()
  p <- Process(function(w) w$close(), list(e[[2]]), context = "spawn")$start()
  p$kill()
  e[[2]]$close()
  p$join(timeout = 60)
  expect_true(e[[1]]$poll(60))
  expect_classed_error(e[[1]]$recv(), "EOFError")
})

test_that("children inherit the start method", {
  skip_on_cran()
  methods <- in_background_r(function() {
    set_start_method("spawn")
    nested <- function() Process(get_start_method)$start()$value(timeout = 60)
    list(
      Process(get_start_method)$start()$value(timeout = 60), Process(get_start_method, context = "fork")$start()$value(),
      with(pool <- Pool(1), pool$apply(get_start_method)), Process(nested)$start()$value(timeout = 60)
    )
  })
  expect_identical(methods, rep(list("spawn"), 4))
})

test_that("the heap is sound after all of this", {
  expect_sound_heap()
})
