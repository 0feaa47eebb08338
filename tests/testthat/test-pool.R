test_that("map computes every element in order and keeps names", {
  pool <- local_pool(2)
  expect_identical(pool$map(function(x) x^2, 0:4), list(0, 1, 4, 9, 16))
  expect_identical(pool$map(toupper, c(a = "x", b = "y")), list(a = "X", b = "Y"))
  expect_identical(pool$map(identity, list(a = NULL, 2)), list(a = NULL, 2))
  expect_identical(pool$map(length, mtcars), lapply(mtcars, length))
  expect_identical(pool$map(as.character, factor(c("u", "v"))), list("u", "v"))
  expect_identical(pool$map(class, as.Date("2024-02-29") + 0:1), list("Date", "Date"))
  expect_identical(pool$map(deparse, expression(a + b, c)), list("a + b", "c"))
})

test_that("map of nothing is an empty list, with names if there were some", {
  pool <- local_pool(2)
  expect_identical(pool$map(identity, integer()), list())
  expect_identical(pool$map(identity, NULL), list())
  expect_identical(pool$map(identity, list(), template = numeric(1)), numeric())
  expect_identical(pool$starmap(identity, list()), list())
})

test_that("more elements than a job can number are refused, and not counted wrong", {
  pool <- local_pool(1)
  expect_classed_error(pool$map(identity, 1:2147483648), "ValueError", "at most 2,147,483,647 elements")
  expect_identical(pool$map(identity, 1:2), list(1L, 2L))
})

test_that("every chunksize gives the same results", {
  pool <- local_pool(2)
  for (chunksize in list(NULL, 1, 2, 7, 100, 1000)) {
    expect_identical(pool$map(function(x) -x, 1:100, chunksize), as.list(-(1:100)))
  }
})

test_that("args are further arguments of every call, by name or place", {
  pool <- local_pool(2)
  expect_identical(pool$map(function(x, a, b) c(x, a, b), 1:2, args = list(b = 30, 20)), list(c(1, 20, 30), c(2, 20, 30)))
  expect_identical(pool$map(function(x, ...) names(list(...)), 1, args = list(i = 1, X = 2, FUN = 3)), list(c("i", "X", "FUN")))
  expect_identical(pool$map(function(x, f) f(x), 1:2, args = list(f = function(v) v + 1)), list(2, 3))
  expect_identical(pool$map(function(x, e) e, 1, args = list(e = quote(a + b))), list(quote(a + b)))
})

test_that("starmap takes the arguments of each call from its element", {
  pool <- local_pool(2)
  expect_identical(pool$starmap(function(x, y) x - y, list(list(5, 3), list(y = 1, x = 2), c(9, 4))), list(2, 1, 5))
  expect_identical(pool$starmap(paste, list(a = list("x", "y", sep = "-"), b = list("z"))), list(a = "x-y", b = "z"))
})

test_that("apply calls once and gives the value", {
  pool <- local_pool(1)
  expect_identical(pool$apply(paste, list("a", "b", sep = "-")), "a-b")
  expect_null(pool$apply(function() NULL))
  expect_classed_error(pool$apply(function() stop("no")), "TaskError", "the call failed .* no")
})

test_that("a template makes the result a vector, as vapply() does", {
  pool <- local_pool(2)
  expect_identical(pool$map(sqrt, c(1, 4, 9), template = numeric(1)), c(1, 2, 3))
  expect_identical(pool$map(nchar, c(a = "xx", b = "y"), template = integer(1)), c(a = 2L, b = 1L))
  expect_identical(pool$map(function(i) c(i, -i), 1:3, template = integer(2)), vapply(1:3, function(i) c(i, -i), integer(2)))
  expect_error(pool$map(function(i) "x", 1:3, template = numeric(1)))
  expect_identical(pool$map(identity, 1:3, template = integer(1)), 1:3)
})

test_that("an option that does not exist, or is shortened, is refused and nothing is bound to `iterable`", {
  pool <- local_pool(1)
  expect_classed_error(pool$map(identity, 1:3, i = 10), "ValueError", "`i`")
  expect_classed_error(pool$map(identity, 1:3, templ = numeric(1)), "ValueError", "`templ`")
  expect_classed_error(pool$map(identity, 1:3, NULL, list(), 5), "ValueError", "too many arguments without names")
  expect_classed_error(pool$map(identity, 1:3, on_error = "ignore"), "ValueError", "on_error")
  expect_identical(pool$map(identity, 1:3), list(1L, 2L, 3L))
})

test_that("an error stops map with the task's own classes, its index, pid and traceback", {
  pool <- local_pool(2)
  inner <- function(i) if (i == 3) stop(structure(class = c("my_error", "error", "condition"), list(message = "three", call = quote(f(x)))))
  e <- expect_classed_error(pool$map(function(i) inner(i), 1:5), "TaskError", "element 3 failed .* three")
  expect_s3_class(e, "my_error")
  expect_identical(conditionMessage(e$parent), "three")
  expect_identical(e$index, 3L)
  expect_true(e$pid %in% pool$status()$pid)
  expect_true(any(grepl("inner(i)", e$traceback, fixed = TRUE)))
  several <- expect_classed_error(pool$map(function(i) stop("all"), 1:4), "TaskError", "3 more of 4 elements failed")
  expect_identical(several$index, 1L)
})

test_that("on_error = \"return\" gives the errors in place of the values that they cost", {
  pool <- local_pool(2)
  got <- pool$map(function(i) if (i %% 2) stop("odd ", i) else i, c(a = 1, b = 2, c = 3), on_error = "return")
  expect_named(got, c("a", "b", "c"))
  expect_identical(got$b, 2)
  expect_s3_class(got$a, "TaskError")
  expect_identical(got$c$index, 3L)
})

test_that("an error that cannot travel arrives with its text", {
  pool <- local_pool(1)
  f <- function(i) stop(structure(class = c("error", "condition"), list(message = "held a file", call = NULL, file = base::file("/dev/null"))))
  expect_classed_error(pool$map(f, 1), "TaskError", "held a file")
})

test_that("an error with an odd message, or one that cannot be asked for, is the error of its element alone", {
  pool <- local_pool(1)
  failing <- function(message, class = NULL, call = NULL) {
    function(i) if (i == 2) stop(structure(class = c(class, "error", "condition"), list(message = message, call = call))) else i
  }
  messages <- list(NULL, NA_character_, c("one", "two"), 3, list("x"), character())
  for (message in messages) {
    r <- pool$map(failing(message), 1:3, on_error = "return")
    expect_identical(r[-2], list(1L, 3L))
    expect_length(conditionMessage(r[[2]]), 1L)
    expect_match(conditionMessage(r[[2]]), "^element 2 failed in process")
  }
  registerS3method("conditionMessage", "mute", function(c) stop("no message"), envir = asNamespace("base"))
  expect_classed_error(pool$map(failing("x", "mute"), 1:3), "TaskError", "without a readable message")
  expect_identical(pool$map(identity, 1:3), list(1L, 2L, 3L))
  for (odd in list(failing(list("x")), failing("x", call = globalenv()), failing("x", "mute"))) {
    r <- suppressWarnings(mclapply(1:3, odd, mc.cores = 2))
    expect_identical(r[-2], list(1L, 3L))
    expect_s3_class(r[[2]], "try-error")
  }
})

test_that("a result that fails when it is read is an error of its element, and the worker lives on", {
  pool <- local_pool(1)
  unmapped <- function(i) {
    if (i != 2) {
      return(Sys.getpid())
    }
    file <- tempfile()
    on.exit(unlink(file), add = TRUE)
    writeBin(as.double(1:100), file)
    x <- .Internal(mmap_file(file, "double"))
    .Internal(munmap_file(x))
    x
  }
  got <- pool$map(unmapped, 1:3, on_error = "return")
  expect_s3_class(got[[2]], "TaskError")
  expect_match(conditionMessage(got[[2]]), "object has been unmapped", fixed = TRUE)
  expect_identical(got[[3]], got[[1]])
  expect_match(conditionMessage(error_of(pool$apply(unmapped, list(2)))), "object has been unmapped", fixed = TRUE)
})

test_that("finalizers that use the pool while results arrive do no harm", {
  pool <- local_pool(2)
  finished <- 0
  for (round in 1:5) {
    result <- pool$map_async(function(i) if (i %% 2) stop("odd") else as.list(seq_len(2e4) + i), 1:40, on_error = "return")
    for (k in 1:3) {
      reg.finalizer(new.env(), function(e) {
        finished <<- finished + 1
        tryCatch(pool$apply(sqrt, list(4)), ProcessError = function(e) NULL)
      })
    }
    got <- result$get(timeout = 60)
    expect_identical(which(vapply(got, inherits, TRUE, "TaskError")), seq(1L, 39L, 2L))
    expect_identical(lengths(got)[c(2, 40)], c(20000L, 20000L))
  }
  invisible(gc())
  expect_gt(finished, 0)
})

test_that("a finalizer that uses the pool while a worker starts makes no second one", {
  pool <- local_pool(1)
  first <- pool$status()$pid
  others <- setdiff(children_of(), first)
  used <- NULL
  start <- worker_start
  replace_by <- function(f) utils::assignInNamespace("worker_start", f, "multiprocessing")
  on.exit(replace_by(start), add = TRUE, after = FALSE)
  replace_by(function(...) {
    replace_by(start)
    reg.finalizer(new.env(), function(e) {
      used <<- tryCatch(pool$apply(sqrt, list(4)), ProcessError = function(e) "refused")
    })
    invisible(gc())
    start(...)
  })
  kill_9(first)
  expect_identical(pool$map(identity, 1:2), list(1L, 2L))
  expect_identical(used, "refused")
  expect_length(setdiff(children_of(), others), 1)
})

test_that("values of every kind come back identical", {
  pool <- local_pool(2)
  values <- list(
    NULL, 1:3, c(a = 1), "x", NA_character_, TRUE, raw(3), 2i, list(1, list("b")), iris, factor("q"), as.POSIXct("2024-01-01", tz = "UTC"),
    matrix(1:6, 2), quote(x + y), as.name("n"), y ~ x, numeric(1e5), letters, Inf, NaN, array(0, c(2, 2, 2))
  )
  expect_equal(pool$map(identity, values), values, ignore_formula_env = TRUE)
  expect_identical(pool$map(function(f) f(2), list(function(x) x * 3, sqrt)), list(6, sqrt(2)))
})

test_that("numbers, logicals and NULL come back identical in the midst of other values, whatever the chunks", {
  pool <- local_pool(2)
  values <- rep(list(
    1L, NA_integer_, -2.5, NA_real_, NaN, -Inf, -0, TRUE, FALSE, NA, NULL, "x", c(a = 1), 1:2, numeric(), factor("q"),
    structure(1L, class = "mine"), Sys.Date()
  ), 20)
  for (chunksize in list(NULL, 1, 3, 4, 100, 1000)) {
    got <- pool$map(identity, values, chunksize = chunksize)
    expect_identical(got, values)
    expect_identical(1 / got[[7]], -Inf)
  }
  got <- pool$map(function(x) if (identical(x, 1:2)) stop("no") else x, values, chunksize = 100, on_error = "return")
  failed <- vapply(got, inherits, TRUE, "error")
  expect_identical(which(failed), which(vapply(values, identical, TRUE, 1:2)))
  expect_identical(got[!failed], values[!failed])
})

test_that("the initializer runs once in each worker, with its arguments", {
  pool <- local_pool(2, function(a, b) options(mp.test.sum = a + b), list(1, b = 2))
  expect_identical(pool$map(function(i) getOption("mp.test.sum"), 1:4, chunksize = 1), rep(list(3), 4))
  expect_null(getOption("mp.test.sum"))
})

test_that("an initializer that fails is an error that shows what it said, and no endless wait", {
  pool <- local_pool(2, function() stop("no licence"))
  said <- capture.output(
    expect_classed_error(pool$map(identity, 1:3), "ProcessError", "initializer"),
    type = "message"
  )
  expect_match(said, "no licence", all = FALSE)
})

test_that("an initializer that fails once costs nothing: the worker is started again", {
  place <- tempfile()
  pool <- local_pool(1, function(place) {
    if (!file.exists(place)) {
      file.create(place)
      stop("the first time")
    }
  }, list(place))
  said <- capture.output(got <- pool$map(identity, 1:3), type = "message")
  expect_identical(got, list(1L, 2L, 3L))
  expect_match(said, "the first time", all = FALSE)
})

test_that("maxtasksperchild replaces a worker after so many chunks", {
  pool <- local_pool(2, maxtasksperchild = 2)
  pids <- pool$map(function(i) Sys.getpid(), 1:12, chunksize = 1, template = integer(1))
  expect_lte(max(table(pids)), 2)
  expect_gte(length(unique(pids)), 6)
  expect_identical(pool$map(identity, 1:5), as.list(1:5))
})

test_that("retries compute again an element whose worker died", {
  place <- tempfile()
  dies_once <- function(i, place) {
    if (i == 2 && !file.exists(place)) {
      file.create(place)
      tools::pskill(Sys.getpid(), tools::SIGKILL)
    }
    i
  }
  pool <- local_pool(2)
  expect_identical(pool$map(dies_once, 1:4, args = list(place), retries = 1), as.list(1:4))
  always <- function(i) if (i == 2) tools::pskill(Sys.getpid(), tools::SIGKILL) else i
  expect_classed_error(pool$map(always, 1:4, retries = 2), "WorkerDiedError", "element 2")
})

test_that("an element that takes longer than task_timeout gives TimeoutError, the others their values", {
  pool <- local_pool(2)
  got <- pool$map(function(i) if (i == 3) repeat Sys.sleep(1) else i, 1:6, chunksize = 1, task_timeout = 0.3, on_error = "return")
  expect_s3_class(got[[3]], "TimeoutError")
  expect_match(conditionMessage(got[[3]]), "task_timeout")
  expect_identical(got[-3], as.list(c(1L, 2L, 4L, 5L, 6L)))
  timed <- local_pool(1, task_timeout = 0.3)
  expect_classed_error(timed$apply(function() repeat NULL), "TimeoutError", "the call took longer")
  expect_identical(timed$apply(function() 1), 1)
})

test_that("a closed pool ends its workers although a job without elements was not asked for", {
  pool <- local_pool(2)
  result <- pool$map_async(identity, list())
  pool$close()
  expect_true(pool$join(timeout = 20))
  expect_identical(result$get(), list())
})

test_that("a function that holds an environment in its code travels with what is in it now", {
  pool <- local_pool(1)
  counter <- new.env()
  counter$n <- 1
  inline <- eval(bquote(function(x) .(counter)$n + x), globalenv())
  expect_identical(pool$apply(inline, list(0)), 1)
  counter$n <- 2
  expect_identical(pool$apply(inline, list(0)), 2)
  expect_identical(pool$map(inline, 0), list(2))
  default <- eval(bquote(function(x, from = .(counter)) from$n + x), globalenv())
  expect_identical(pool$apply(default, list(0)), 2)
  counter$n <- 3
  expect_identical(pool$apply(default, list(0)), 3)
})

test_that("a pool that is closed takes no jobs, finishes those it has, and can be joined", {
  pool <- Pool(2)
  expect_classed_error(pool$join(), "ValueError", "close")
  result <- pool$map_async(function(i) i + 1, 1:20)
  pool$close()
  expect_classed_error(pool$map(identity, 1), "ValueError", "closed")
  pool$join()
  expect_identical(result$get(), as.list(1:20 + 1))
  expect_true(all(is.na(pool$status()$pid)))
})

test_that("a pool that is closed keeps nothing of the jobs that it refuses", {
  pool <- local_pool(1)
  pool$map(sqrt, 1:2)
  pool$close()
  before <- heap_state()$blocks
  for (k in 1:5) {
    expect_classed_error(pool$map(sqrt, 1:10, template = numeric(1)), "ValueError", "closed")
    expect_classed_error(pool$apply(sqrt, list(k)), "ValueError", "closed")
  }
  expect_lte(heap_state()$blocks, before)
})

test_that("terminate ends the workers at once, twice is not an error, and no job is taken any more", {
  pool <- Pool(2)
  pids <- pool$status()$pid
  running <- pool$apply_async(function() repeat NULL)
  pool$terminate()
  pool$terminate()
  expect_true(wait_until(function() all_gone(pids)))
  expect_classed_error(pool$map(identity, 1), "ValueError", "terminated")
  expect_classed_error(running$get(timeout = 5), "multiprocessing_error")
  pool$join()
})

test_that("with() and local_pool() terminate their pool, whatever happens inside", {
  pids <- integer()
  x <- 2
  expect_identical(with(p <- Pool(2), {
    pids <- p$status()$pid
    p$map(function(i) i * x, 1:2)
  }), list(2, 4))
  expect_true(all_gone(pids))
  expect_error(with(p <- Pool(1), {
    pids <- p$status()$pid
    stop("inside")
  }), "inside")
  expect_true(all_gone(pids))
  f <- function() {
    p <- local_pool(1)
    p$status()$pid
  }
  expect_true(all_gone(f()))
})

test_that("a pool to which nothing refers any more ends", {
  pid <- Pool(1)$status()$pid
  gc()
  expect_true(wait_until(function() {
    gc()
    heap_state()
    is_gone(pid)
  }))
})

test_that("a pool shows itself and its workers", {
  pool <- local_pool(2)
  expect_output(print(pool), "<Pool of 2 workers \\(fork, running\\)>")
  pool$map(identity, 1:10, chunksize = 1)
  status <- pool$status()
  expect_s3_class(status, "data.frame")
  expect_identical(status$worker, 1:2)
  expect_equal(sum(status$chunks), 10)
  pool$close()
  expect_match(format(pool), "closed")
})

test_that("workers are reused, and are not this process", {
  pool <- local_pool(2)
  pids <- unique(pool$map(function(i) Sys.getpid(), 1:50, template = integer(1)))
  expect_true(all(pids %in% pool$status()$pid))
  expect_false(Sys.getpid() %in% pids)
})

test_that("a worker may have a pool of its own", {
  pool <- local_pool(2)
  nested <- function(i) {
    inner <- local_pool(2)
    sum(inner$map(function(j) i * j, 1:4, template = numeric(1)))
  }
  expect_identical(pool$map(nested, c(1, 2, 3)), list(10, 20, 30))
})

test_that("a pool's handle in another process cannot be used there", {
  pool <- local_pool(2)
  tried <- pool$map(function(i, pool) class(tryCatch(pool$map(identity, 1), error = identity)), 1, args = list(pool))
  expect_true("multiprocessing_error" %in% tried[[1]])
  p <- Process(function() pool$map(identity, 1))
  suppressMessages(capture.output(p$start()$join(), type = "message"))
  expect_identical(p$exitcode, 1L)
  expect_identical(pool$map(identity, 1:2), list(1L, 2L))
})

test_that("warnings and messages of tasks appear here", {
  pool <- local_pool(1)
  said <- capture.output(type = "message", invisible(pool$map(function(i) {
    message("note ", i)
    warning("careful")
  }, 1)))
  expect_match(said, "note 1", all = FALSE)
  expect_match(said, "careful", all = FALSE)
})

test_that("ten pools work side by side", {
  pools <- lapply(1:10, function(i) Pool(1))
  results <- lapply(pools, function(p) p$map_async(function(x) x + 1, 1:10))
  for (r in results) expect_identical(r$get(), as.list(1:10 + 1))
  for (p in pools) p$terminate()
})

test_that("a progress bar changes no result", {
  skip_if_not_installed("cli")
  pool <- local_pool(2)
  expect_identical(suppressMessages(pool$map(function(i) i, 1:30, progress = TRUE)), as.list(1:30))
})

test_that("with() of a pool that has ended is an error, and evaluates nothing", {
  for (end in c("close", "terminate")) {
    pool <- Pool(1)
    pool[[end]]()
    evaluated <- FALSE
    expect_classed_error(with(pool, evaluated <- TRUE), "ValueError", "closed or terminated")
    expect_false(evaluated)
    pool$terminate()
  }
})

test_that("the heap is sound after all of this", {
  expect_sound_heap()
})

test_that("workers of a pool that was dropped end without another call", {
  pool <- Pool(2)
  pids <- pool$status()$pid
  rm(pool)
  gc()
  expect_true(wait_until(function() all_gone(pids)))
})

test_that("what a task dropped is released, though no later task calls this package", {
  pool <- local_pool(1)
  ends <- Pipe()
  pool$apply(function(end) NULL, list(ends[[2]]))
  ends[[2]]$close()
  expect_true(ends[[1]]$poll(timeout = 60))
  expect_classed_error(ends[[1]]$recv(), "EOFError")
})

test_that("what a call was given is released when it has returned", {
  pool <- local_pool(2)
  pool$map(length, list(1, 2))
  before <- heap_blocks()
  for (round in seq_len(rounds(500, 30))) {
    pool$map(length, list(as.numeric(1:2e4) + round, as.numeric(1:2e4) - round))
    expect_lte(heap_blocks(), before)
    pool$apply(length, list(as.numeric(1:2e4) + round))
    expect_lte(heap_blocks(), before)
  }
})
