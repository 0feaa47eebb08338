# What is wrong is refused by a classed error, and nothing has changed.
unchanged <- function(expr) {
  before <- footprint()
  force(expr)
  expect_identical(footprint()[c("descriptors", "children", "threads")], before[c("descriptors", "children", "threads")])
  expect_lte(footprint()$blocks, before$blocks)
  expect_sound_heap()
}

test_that("a pool needs a whole number of workers, at least one, at most what a session has room for", {
  unchanged(for (n in list(0, -1, "a", 1.5, NA, c(1, 2), Inf, list(), TRUE[0], 1e6)) {
    expect_classed_error(Pool(n), "ValueError", "processes")
  })
})

test_that("a pool's other arguments are checked before anything starts", {
  unchanged({
    expect_classed_error(Pool(1, initializer = "f"), "ValueError", "initializer")
    expect_classed_error(Pool(1, initargs = 1:3), "ValueError", "initargs")
    expect_classed_error(Pool(1, maxtasksperchild = 0), "ValueError", "maxtasksperchild")
    expect_classed_error(Pool(1, retries = -1), "ValueError", "retries")
    expect_classed_error(Pool(1, task_timeout = -1), "ValueError", "task_timeout")
    expect_classed_error(Pool(1, task_timeout = "a"), "ValueError", "task_timeout")
    expect_classed_error(Pool(1, seed = "a"), "ValueError", "seed")
    expect_classed_error(Pool(1, context = "thread"), "ValueError", "start method")
    expect_classed_error(Pool(1, nonsense = 1), "ValueError", "unknown argument `nonsense` of Pool\\(\\): it takes `processes`")
  })
})

test_that("map refuses what is not a function, a vector, a size, a list of arguments", {
  pool <- local_pool(1)
  pool$map(identity, 1)
  unchanged({
    expect_classed_error(pool$map("sqrt", 1:3), "ValueError", "`func`")
    expect_classed_error(pool$map(NULL, 1:3), "ValueError", "`func`")
    for (size in list(0, -2, "a", 1.5, NA, 1:2)) {
      expect_classed_error(pool$map(identity, 1:3, chunksize = size), "ValueError", "chunksize")
      expect_classed_error(pool$imap(identity, 1:3, chunksize = size), "ValueError", "chunksize")
    }
    expect_classed_error(pool$map(identity, 1:3, args = 5), "ValueError", "`args`")
    expect_classed_error(pool$apply(identity, 5), "ValueError", "`args`")
    expect_classed_error(pool$apply(5), "ValueError", "`func`")
    expect_classed_error(pool$apply_async(identity, list(1), callback = "f"), "ValueError", "callback")
    expect_classed_error(pool$map(identity, 1:3, retries = "x"), "ValueError", "retries")
    expect_classed_error(pool$map(identity, 1:3, task_timeout = 0), "ValueError", "task_timeout")
    expect_classed_error(pool$imap("sqrt", 1:3), "ValueError", "`func`")
  })
  expect_identical(pool$map(identity, 1:3), list(1L, 2L, 3L))
})

test_that("a process needs a function and a list", {
  unchanged({
    expect_classed_error(Process("f"), "ValueError", "target")
    expect_classed_error(Process(identity, args = 1), "ValueError", "args")
    expect_classed_error(Process(identity, args = iris), "ValueError", "args")
    expect_classed_error(Process(identity, name = c("a", "b")), "ValueError", "name")
    expect_classed_error(Process(identity, context = "thread"), "ValueError", "start method")
  })
})

test_that("a queue's size is a whole number from 0", {
  unchanged(for (n in list("a", NA, 1.5, 1:2, NULL)) expect_classed_error(Queue(n), "ValueError", "maxsize"))
})

test_that("a timeout is NULL or a number", {
  lock <- Lock()
  q <- Queue()
  lock$acquire()
  unchanged(for (bad in list("a", NA, c(1, 2), list(), NaN)) {
    expect_classed_error(lock$acquire(timeout = bad), "ValueError", "timeout")
    expect_classed_error(q$get(timeout = bad), "ValueError", "timeout")
    expect_classed_error(wait(list(q), timeout = bad), "ValueError", "timeout")
  })
  expect_true(lock$locked())
  lock$release()
})

test_that("so is a timeout of futures, of map() and of a condition", {
  executor <- local_executor(1)
  future <- executor$submit(identity, 1)
  future$result(timeout = 60)
  condition <- Condition()
  for (bad in list("a", NA, c(1, 2), list(), NaN)) {
    expect_classed_error(wait_futures(list(future), timeout = bad), "ValueError", "timeout")
    expect_classed_error(as_completed(list(future), timeout = bad), "ValueError", "timeout")
    expect_classed_error(executor$map(identity, 1, timeout = bad), "ValueError", "timeout")
    expect_classed_error(with(condition, condition$wait_for(function() TRUE, timeout = bad)), "ValueError", "timeout")
  }
  expect_false(with(condition, condition$wait_for(function() FALSE, timeout = -1)))
  expect_true(with(condition, condition$wait_for(function() TRUE, timeout = Inf)))
})

test_that("an argument that is missing is named, with the call, and nothing was done", {
  pool <- local_pool(1)
  q <- Queue()
  simple <- SimpleQueue()
  lock <- Lock()
  ends <- Pipe()
  pool$map(identity, 1)
  expect_missing <- function(expr, name, call) {
    e <- expect_classed_error(expr, "ValueError", sprintf("argument \"%s\" is missing, with no default", name))
    expect_match(deparse(conditionCall(e))[1L], paste0("^", call))
  }
  unchanged({
    for (method in c("map", "map_async", "starmap", "starmap_async", "imap", "imap_unordered")) {
      expect_missing(pool[[method]](), "func", "pool\\[\\[method\\]\\]\\(\\)")
      expect_missing(pool[[method]](identity), "iterable", "pool")
      expect_missing(pool[[method]](iterable = 1:3), "func", "pool")
    }
    expect_missing(pool$map(identity), "iterable", "pool\\$map\\(identity\\)")
    expect_missing(pool$apply(), "func", "pool\\$apply\\(\\)")
    expect_missing(pool$apply_async(args = list(1)), "func", "pool\\$apply_async")
    expect_missing(q$put(), "obj", "q\\$put\\(\\)")
    expect_missing(q$put(block = FALSE), "obj", "q\\$put")
    expect_missing(q$put_nowait(), "obj", "q\\$put_nowait")
    expect_missing(simple$put(), "obj", "simple\\$put")
    expect_missing(ends[[1]]$send(), "obj", "ends")
    expect_missing(ends[[1]]$send_bytes(), "raw", "ends")
    expect_missing(with(lock), "expr", "with")
    expect_missing(Process(), "target", "Process")
    expect_missing(Process(args = list(1)), "target", "Process")
    expect_missing(wait(), "object_list", "wait")
    expect_missing(set_start_method(), "method", "set_start_method")
    expect_missing(share(), "x", "share")
    expect_missing(is_shared(), "x", "is_shared")
    expect_missing(thread_map(), "x", "thread_map")
    expect_missing(thread_map(1:3), "fun", "thread_map")
    expect_missing(thread_reduce(1:3), "fun", "thread_reduce")
    expect_missing(cpp_fun(), "code", "cpp_fun")
    expect_missing(mclapply(), "X", "mclapply")
    expect_missing(mclapply(1:3), "FUN", "mclapply")
    expect_missing(mcvapply(1:3, sqrt), "FUN.VALUE", "mcvapply")
    expect_missing(mcmapply(), "FUN", "mcmapply")
    expect_missing(mcMap(), "f", "mcMap")
    expect_missing(pvec(), "v", "pvec")
    expect_missing(pvec(1:3), "FUN", "pvec")
  })
  expect_true(q$empty() && simple$empty())
  expect_false(ends[[2]]$poll())
  expect_false(lock$locked())
  inner <- function(func) pool$map(func, 1:3) # missing one call further up
  expect_error(inner(), "argument \"func\" is missing")
})

test_that("further arguments of a function in a wrong place: the error names the right place", {
  pool <- local_pool(1)
  power <- function(x, p) x^p
  unchanged({
    expect_classed_error(pool$map(power, 1:3, p = 2), "ValueError", "`p` of \\$map\\(\\): .*`args = list\\(\\.\\.\\.\\)`")
    expect_classed_error(pool$map(power, 1:3, 2:4), "ValueError", "`chunksize` .*`args = list\\(\\.\\.\\.\\)`")
    expect_classed_error(pool$starmap(power, list(1), args = list(2)), "ValueError", "`args` of \\$starmap\\(\\): .*in the elements")
    expect_classed_error(pool$imap(power, 1:3, args = list(2)), "ValueError", "`args` of \\$imap\\(\\): .*function\\(x\\) f")
    # parts of the names that our own functions have
    for (name in c("private", "s", "call", "m")) {
      call <- as.call(c(quote(pool$map), quote(power), 1, structure(list(2), names = name)))
      expect_classed_error(eval(call), "ValueError", sprintf("`%s` of", name))
    }
    expect_classed_error(pool$imap(power, 1:3, o = 2), "ValueError", "`o` of")
    expect_classed_error(pool$apply_async(power, list(1), p = 2), "ValueError", "unknown argument `p`")
  })
})

test_that("an argument that a pool's method does not have is named", {
  pool <- local_pool(1)
  pool$map(identity, 1)
  unchanged({
    expect_classed_error(pool$apply(identity, list(1), chunk = 3), "ValueError", "unknown argument `chunk` of \\$apply\\(\\)")
    expect_classed_error(pool$apply_async(identity, list(1), NULL, NULL, 3), "ValueError", "too many arguments without names")
    expect_classed_error(pool$apply_async(identity, list(1), retries = 3), "ValueError", "unknown argument `retries`")
    expect_classed_error(pool$imap(identity, 1:3, chunk = 3), "ValueError", "`chunk`")
    expect_classed_error(pool$imap(identity, 1:3, args = list(3)), "ValueError", "`args`")
    expect_classed_error(pool$imap_unordered(identity, 1:3, 1, 2), "ValueError", "too many arguments without names")
    expect_classed_error(pool$map(identity, 1:3, chunk = 3), "ValueError", "`chunk`")
    expect_classed_error(pool$map_async(identity, 1, error_callback = "a"), "ValueError", "`error_callback`")
    expect_classed_error(pool$map(identity, 1:3, progress = "yes"), "ValueError", "`progress`")
    expect_classed_error(mclapply(1:3, identity, mc.progress = "yes"), "ValueError", "`mc.progress`")
  })
  expect_identical(pool$apply_async(sum, list(1, 2), function(v) NULL)$get(10), 3) # a callback by its place
})

test_that("values that do not fit the template are a ValueError that names the first", {
  pool <- local_pool(2)
  pool$map(identity, 1)
  expect_classed_error(pool$map(function(i) if (i == 2) "b" else i, 1:3, template = numeric(1)), "ValueError", "FUN\\(X\\[\\[2\\]\\]\\)")
  expect_classed_error(pool$map(function(i) i, 1:3, template = character(1)), "ValueError", "character")
  expect_classed_error(pool$map(function(i) letters[seq_len(i)], 1:3, template = character(1)), "ValueError", "length")
  expect_classed_error(pool$map(identity, 1:3, template = sum), "ValueError")
  for (cores in 1:2) {
    expect_classed_error(mcvapply(1:3, function(i) "a", 1, mc.cores = cores), "ValueError", "double")
    expect_classed_error(mcvapply(1:3, function(i) i, "a", mc.cores = cores), "ValueError", "character")
    expect_classed_error(mcvapply(1:3, function(i) i, sum, mc.cores = cores), "ValueError")
  }
  expect_sound_heap()
})

test_that("the mclapply family refuses what is no function, no flag, no number of cores", {
  unchanged({
    expect_classed_error(mclapply(1:3, 5), "ValueError", "function")
    expect_classed_error(mclapply(1:3, "no_such_function"), "ValueError", "no_such_function")
    expect_classed_error(mcvapply(1:3, NULL, 1), "ValueError", "function")
    expect_classed_error(mcmapply("no_such_function", 1:3), "ValueError", "no_such_function")
    expect_classed_error(mcMap(5, 1:3), "ValueError", "function")
    expect_classed_error(pvec(1:3, 5), "ValueError", "function")
    expect_classed_error(pvec(sum, sum), "ValueError", "vector")
    # with parallel's own words, in our class
    refuses_as_parallel <- function(...) {
      theirs <- tryCatch(parallel::mclapply(1:3, identity, ...), error = conditionMessage)
      expect_type(theirs, "character")
      expect_identical(conditionMessage(expect_classed_error(mclapply(1:3, identity, ...), "ValueError")), theirs)
    }
    for (flag in list("yes", NA, NULL, c(TRUE, FALSE))) {
      refuses_as_parallel(mc.preschedule = flag)
      refuses_as_parallel(mc.set.seed = flag)
    }
    for (cores in list(0, "a", NA, NULL)) refuses_as_parallel(mc.cores = cores)
    # R CMD check ends R where parallel compares two numbers with `||`
    if (!nzchar(Sys.getenv("_R_CHECK_LENGTH_1_LOGIC2_"))) refuses_as_parallel(mc.cores = 1:2)
  })
  local <- function(i) i + 1
  expect_identical(mclapply(1:3, "local", mc.cores = 2), list(2, 3, 4)) # found where it is called
  expect_identical(mcmapply("local", 1:3, mc.cores = 2), c(2, 3, 4))
})

test_that("flags are TRUE or FALSE", {
  q <- Queue()
  lock <- Lock()
  unchanged(for (bad in list(NA, "a", 1, NULL, c(TRUE, TRUE))) {
    expect_classed_error(lock$acquire(block = bad), "ValueError", "`block`")
    expect_classed_error(q$put(1, block = bad), "ValueError", "`block`")
    expect_classed_error(q$get(block = bad), "ValueError", "`block`")
    expect_classed_error(Pipe(bad), "ValueError", "`duplex`")
  })
  expect_false(lock$locked())
})

test_that("closed queues and free locks refuse", {
  q <- Queue()
  lock <- Lock()
  ends <- Pipe()
  q$close()
  ends[[1]]$close()
  unchanged({
    expect_classed_error(q$put(1), "ValueError", "closed")
    expect_classed_error(lock$release(), "ValueError")
    expect_classed_error(RLock()$release(), "ValueError")
    expect_classed_error(ends[[1]]$recv(), "ValueError", "closed")
    expect_classed_error(ends[[1]]$poll(), "ValueError", "closed")
  })
})

test_that("a value that cannot travel is an EncodingError that says where, and nothing was put", {
  q <- Queue()
  ends <- Pipe()
  pool <- local_pool(1)
  pool$map(identity, 1)
  file <- base::file("/dev/null", "r")
  on.exit(close(file), add = TRUE)
  unchanged({
    expect_classed_error(q$put(file), "EncodingError", "connection")
    expect_classed_error(q$put(list(1, inner = list(a = file))), "EncodingError", "connection")
    expect_classed_error(ends[[1]]$send(file), "EncodingError")
    expect_classed_error(pool$map(identity, list(1, file)), "EncodingError")
    expect_classed_error(pool$map(function(x, f) 1, 1, args = list(file)), "EncodingError")
  })
  expect_true(q$empty())
  expect_false(ends[[2]]$poll())
  e <- expect_classed_error(pool$map(function(i) base::file("/dev/null", "r"), 1), "TaskError", "connection")
  expect_s3_class(e, "EncodingError")
  expect_identical(pool$map(identity, 1), list(1))
})

test_that("a value that cannot travel takes no place in a queue of one", {
  queue <- Queue(1)
  file <- base::file("/dev/null", "r")
  on.exit(close(file))
  for (value in list(file, list(file))) {
    expect_classed_error(queue$put(value, timeout = 0), "EncodingError")
    expect_identical(as.numeric(queue$qsize()), 0)
  }
  queue$put(TRUE, timeout = 0)
  expect_identical(as.numeric(queue$qsize()), 1)
  expect_true(queue$get(timeout = 0))
  expect_identical(as.numeric(queue$qsize()), 0)
})

# Starts processes until one is refused, ends them all, and works on
start_until_refused <- function(most) {
  q <- Queue()
  ps <- list()
  failure <- NULL
  while (length(ps) < most && is.null(failure)) {
    p <- Process(function() q$get())
    failure <- tryCatch(
      {
        p$start()
        NULL
      },
      error = function(e) e
    )
    if (is.null(failure)) ps[[length(ps) + 1]] <- p
  }
  for (p in ps) p$kill()
  for (p in ps) p$join()
  pool <- Pool(2)
  right <- identical(pool$map(function(x) x + 1, 1:10), as.list(1:10 + 1))
  pool$terminate()
  list(
    started = length(ps), failure = class(failure), message = conditionMessage(failure), right = right,
    problem = multiprocessing:::heap_check()$problem
  )
}

test_that("more processes than the system gives descriptors for is an error, and the session works on", {
  skip_on_cran()
  script <- tempfile(fileext = ".R")
  result <- tempfile()
  dump <- paste(deparse(start_until_refused), collapse = "\n")
  writeLines(c(
    sprintf("library(multiprocessing, lib.loc = %s)", deparse(package_library())),
    paste("run <-", dump), sprintf("saveRDS(run(500), %s)", deparse(result))
  ), script)
  command <- sprintf("ulimit -n 256 && exec %s --vanilla %s", shQuote(file.path(R.home("bin"), "Rscript")), shQuote(script))
  said <- suppressWarnings(system2("sh", c("-c", shQuote(command)), stdout = TRUE, stderr = TRUE))
  expect_true(file.exists(result), info = paste(said, collapse = "\n"))
  seen <- readRDS(result)
  expect_true(all(c("ProcessError", "multiprocessing_error") %in% seen$failure))
  expect_match(seen$message, "open files|descriptor|process")
  expect_gt(seen$started, 10)
  expect_lt(seen$started, 256)
  expect_true(seen$right)
  expect_identical(seen$problem, "")
})

test_that("more processes than a session has places for is an error, and the session works on", {
  skip_on_cran()
  skip_if_not(soaking(), "a thousand processes: make soak")
  seen <- in_background_r(start_until_refused, list(1100), timeout = 300)
  expect_true(all(c("ProcessError", "multiprocessing_error") %in% seen$failure))
  expect_match(seen$message, "running processes already")
  expect_gt(seen$started, 1000)
  expect_true(seen$right)
  expect_identical(seen$problem, "")
})

test_that("the heap is sound after all of this", {
  expect_sound_heap()
})
