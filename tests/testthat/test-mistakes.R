# Typical mistakes are answered by an error of ours that names the argument or element and tells the remedy or the rule.
said <- function(expr, class = "ValueError") conditionMessage(expect_classed_error(expr, class))

test_that("what is no function is told how to become one", {
  pool <- local_pool(1)
  expect_match(said(pool$map(~ .x + 1, 1:3)), "`func` must be a function, not the formula ~.x \\+ 1; write .*function\\(x\\)")
  expect_match(said(pool$map("sqrt", 1:3)), "not \"sqrt\"; give the function itself, `func = sqrt`", fixed = FALSE)
  expect_match(said(pool$map("stats::sd", 1:3)), "`func = stats::sd`")
  expect_match(said(pool$map(no_such_function, 1:3)), "`func`: there is no function or variable `no_such_function`")
  expect_error(pool$apply(no_such_function), "no_such_function") # R's own: a check would cost each call
  capture.output(text <- said(Process(target = print("hi"))))
  expect_match(text, "`target` must be a function, not \"hi\".*not what a call of it returns")
})

test_that("numbers of workers tell the rule", {
  expect_match(said(Pool(-1)), "`processes` must be one whole number >= 1, not -1; leave it out for .*cpu_count")
  expect_match(said(Pool(0)), ">= 1, not 0")
  expect_match(said(Pool("4")), "not \"4\"")
  expect_match(said(Pool(2.5)), "whole number")
})

test_that("starmap tells what its elements are", {
  pool <- local_pool(1)
  power <- function(x, p) x^p
  expect_match(said(pool$starmap(power, 1:3)), "list of the arguments of one call.*needs 2 arguments.*Map\\(list, x, y\\)")
  expect_match(said(pool$starmap(power, list(1:3, 4:6))), "`func` takes 2, element 1 has 3.*Map\\(list, x, y\\)")
  expect_identical(pool$starmap(power, Map(list, 1:3, 2)), list(1, 4, 9))
  expect_identical(pool$starmap(sqrt, c(4, 9)), list(2, 3))
})

test_that("an end of a pipe is taken by two brackets, and a pipe is a list of ends", {
  ends <- Pipe()
  expect_match(said(ends[1]$send("x")), "two brackets, such as ends\\[\\[1\\]\\]\\$send")
  expect_match(said(ends$send("x")), "two brackets")
  expect_type(ends, "list")
  expect_length(ends[2], 1L)
  p <- Process(function(a, b) b$send(2), args = ends)
  p$start()
  expect_identical(ends[[1]]$recv(), 2)
  p$join()
})

test_that("values that cannot travel tell where they are and what to do", {
  pool <- local_pool(1)
  con <- file(tempfile(), "w")
  assign("a_connection", con, globalenv())
  on.exit({
    rm("a_connection", envir = globalenv())
    close(con)
  }, add = TRUE)
  writes <- function(i) writeLines("a", a_connection)
  environment(writes) <- globalenv()
  expect_match(said(pool$map(writes, 1), "EncodingError"), "`a_connection`.*open it in the function")
  lock <- Lock()
  file <- tempfile()
  saveRDS(lock, file)
  expect_match(said(readRDS(file)$acquire()), "closed or was restored from another session; handles cannot be saved")
})

test_that("a wrong template is named, with what was expected", {
  pool <- local_pool(1)
  for (type in c("numeric", "character", "integer", "logical")) {
    expect_match(said(pool$map(identity, 1, template = type)), sprintf("`template = %s\\(1\\)`", type))
  }
  expect_match(said(pool$map(identity, 1, template = "list")), "leave it out")
  text <- said(pool$map(function(i) if (i == 2) "b" else i, 1:3, template = numeric(1)))
  expect_match(text, "`template`, which is double of length 1: .*X\\[\\[2\\]\\].*'character'")
  expect_match(said(pool$map(function(i) i, 1:3, template = "")), "`template`, which is character of length 1")
  expect_match(said(pool$map(function(i) i, 1:3, template = sum)), "`template` must be a vector such as numeric\\(1\\)")
})

test_that("retries that did not help are told, and not advised again", {
  pool <- local_pool(1)
  dies <- function(i) tools::pskill(Sys.getpid(), tools::SIGKILL)
  text <- said(pool$map(dies, 1), "WorkerDiedError")
  expect_match(text, "probably ran out of memory; set `retries`")
  text <- said(pool$map(dies, 1, retries = 1), "WorkerDiedError")
  expect_match(text, "the last of 2 tries.*`retries = 1` did not help")
  expect_no_match(text, "set `retries`")
})

test_that("locks, queues and iterators tell what to call instead", {
  expect_match(said(Lock()$release()), "not held; call \\$acquire\\(\\) first, or use with\\(lock")
  queue <- Queue(1)
  expect_match(said(queue$get_nowait(), "Empty"), "the queue is empty; \\$get\\(\\) waits .*`timeout`")
  queue$put(1)
  expect_match(said(queue$put_nowait(2), "Full"), "maximum of 1 message; \\$put\\(\\) waits .*`timeout`")
  pool <- local_pool(1)
  iterator <- pool$imap(sqrt, 1)
  iterator$next_value()
  expect_match(said(iterator$next_value(), "StopIteration"), "no more elements; ask \\$has_next\\(\\)")
  expect_identical(said(iterator$nextElem(), "StopIteration"), "StopIteration") # package iterators looks for that
  pool$close()
  expect_match(said(pool$map(sqrt, 1)), "closed and accepts no more jobs; create a new one with Pool\\(\\)")
})

test_that("a compiled function of other types is told the types, without the package's own files", {
  skip_on_cran()
  text <- said(cpp_fun("std::string greet(std::string x) { return x; }"), "CompileError")
  expect_match(text, "`greet`, the last function.*double f\\(double x\\)")
  expect_no_match(text, "kernel.h")
})

test_that("wrong limits, flags, names and keys are told with what was given", {
  queue <- Queue()
  expect_match(said(queue$get(timeout = "2 s")), "one number of seconds, not \"2 s\"")
  expect_match(said(queue$get(timeout = Lock())), "not a Lock\\(\\)")
  expect_match(said(queue$get("no")), "`block` must be TRUE or FALSE, not \"no\"")
  expect_match(said(Process(sum, name = 5)), "`name` must be one string, not 5")
  expect_match(said(Manager()$dict()[[5]]), "a key must be one string, not 5")
  expect_match(said(thread_map(1, "sqrt", threads = "all")), "from 1 to 1024, not \"all\"")
})

test_that("a task that ends its process is told to return or to stop()", {
  pool <- local_pool(1)
  for (retries in 0:1) {
    text <- said(pool$map(function(i) quit(status = 3), 1, retries = retries), "WorkerDiedError")
    expect_match(text, "ended with exit code 3 .*call stop\\(\\) in place of quit\\(\\)")
    expect_no_match(text, "set `retries`")
  }
})

test_that("errors of a process, an initializer and a callback show no calls and values of this package's own", {
  out <- capture.output({
    p <- Process(function(x) x, args = list(1, y = "long value"))
    p$start()
    p$join()
  }, type = "message")
  expect_match(out, "Error in FUN(args[[1L]], y = args[[2L]]): unused argument", fixed = TRUE, all = FALSE)
  pool <- Pool(1, initializer = function() NULL, initargs = list("long value"))
  out <- capture.output(expect_classed_error(pool$map(sqrt, 1), "BrokenProcessPool"), type = "message")
  expect_match(out, "failed: unused argument (args[[1]])", fixed = TRUE, all = FALSE)
  pool <- local_pool(1)
  expect_warning(pool$apply_async(sum, callback = function() NULL)$get(), "a callback of a pool failed: unused argument \\(given\\)")
})

test_that("an error of a forked worker before its task names no call of the session", {
  pool <- local_pool(1)
  assign("a_connection", file(tempfile(), "w"), globalenv())
  on.exit({
    close(a_connection)
    rm("a_connection", envir = globalenv())
  }, add = TRUE)
  reads <- function(i) readLines(a_connection)
  environment(reads) <- globalenv()
  for (e in list(
    tryCatch(pool$map(reads, 1), error = identity), tryCatch(pool$map(sqrt, 1, packages = "nosuchpackage"), error = identity)
  )) {
    expect_no_match(conditionMessage(e), "(in `", fixed = TRUE)
  }
  expect_match(conditionMessage(e), "'nosuchpackage', which the session has loaded or `packages` names, cannot be loaded")
})
