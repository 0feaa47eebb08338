# A worker dies while it reads what it is to compute: the function's package kills the process that loads it, or an
# element does. A package is installed for that; in this process it does nothing.

# Calls that would never end fail after a while
in_time <- function(code, seconds = 60) {
  setTimeLimit(elapsed = seconds, transient = TRUE)
  on.exit(setTimeLimit())
  code
}

expect_deaths <- function(failures, indices, signal = NA_integer_, exitcode = NA_integer_) {
  testthat::expect_identical(vapply(failures, function(e) e$index, 1L), indices)
  for (e in failures[unique(c(1L, length(failures)))]) {
    testthat::expect_s3_class(e, "WorkerDiedError")
    testthat::expect_identical(e$signal, signal)
    testthat::expect_identical(e$exitcode, exitcode)
  }
}

ways <- list(
  list(code = "tools::pskill(Sys.getpid(), 9)", signal = 9L, exitcode = NA_integer_),
  list(code = "tools::pskill(Sys.getpid(), 11)", signal = 11L, exitcode = NA_integer_),
  list(code = "quit('no', 3)", signal = NA_integer_, exitcode = 3L),
  list(code = "quit('no', 0)", signal = NA_integer_, exitcode = 0L)
)

library <- NULL
test_that("a function that kills the workers that load it is an error in each way to call it", {
  library <<- library_of_crashy()
  for (way in ways) {
    f <- crashing_function(library, way$code)
    for (method in c("fork", "spawn")) {
      pool <- local_pool(2, context = method)
      died <- function(failures, indices) expect_deaths(failures, indices, way$signal, way$exitcode)
      died(list(in_time(error_of(pool$apply(f, list(1))))), 1L)
      e <- in_time(error_of(pool$apply_async(f)$get()))
      died(list(e), 1L)
      expect_match(conditionMessage(e), "while it read the function")
      died(in_time(pool$map(f, 1:3, on_error = "return")), 1:3)
      died(in_time(pool$starmap(f, list(list(1), list(2)), on_error = "return")), 1:2)
      it <- pool$imap(f, 1:3)
      died(lapply(1:3, function(k) in_time(error_of(it$next_value()))), 1:3)
      expect_false(it$has_next())
      it <- pool$imap_unordered(f, (function(n) function() if (n < 4) (n <<- n + 1) else stop("StopIteration"))(0))
      failures <- in_time(lapply(1:4, function(k) error_of(it$next_value())))
      died(failures[order(vapply(failures, function(e) e$index, 1L))], 1:4)
      Sys.setenv(CRASHY = "")
      expect_identical(in_time(pool$map(sqrt, c(1, 4))), list(1, 2))
      Sys.setenv(CRASHY = way$code)
      pool$terminate()
    }
  }
})

test_that("a function that no worker can read costs a few of them, not one for each element", {
  f <- crashing_function(library, "cat('loaded', file = Sys.getenv('CRASHY_LOG'), append = TRUE, fill = TRUE); tools::pskill(Sys.getpid(), 9)")
  log <- tempfile()
  Sys.setenv(CRASHY_LOG = log)
  on.exit(Sys.unsetenv("CRASHY_LOG"), add = TRUE)
  pool <- local_pool(2)
  for (retries in c(0, 2)) {
    unlink(log)
    failures <- in_time(pool$map(f, 1:5000, on_error = "return", retries = retries))
    expect_deaths(failures, 1:5000, 9L)
    expect_match(conditionMessage(failures[[5000]]), "not computed: [0-9]+ workers in a row died while they read the function")
    expect_lte(length(readLines(log)), 8 + retries)
  }
  unlink(log)
  e <- in_time(error_of(pool$apply_async(f)$get()))
  expect_length(readLines(log), 1L)
  pool$terminate()
  unlink(log)
  pool <- local_pool(1, retries = 2)
  e <- in_time(error_of(pool$apply(f)))
  expect_deaths(list(e), 1L, 9L)
  expect_match(conditionMessage(e), "the last of 3 tries.*`retries = 2` did not help")
  expect_length(readLines(log), 3L)
})

test_that("a package that hangs while it is loaded is timed out", {
  f <- crashing_function(library, "Sys.sleep(600)")
  pool <- local_pool(1, task_timeout = 0.2)
  expect_classed_error(in_time(pool$apply(f)), "TimeoutError", "took longer than 0.2 seconds")
  failures <- in_time(pool$map(f, 1:100, on_error = "return"))
  expect_true(all(vapply(failures, inherits, TRUE, "TimeoutError")))
  expect_identical(vapply(failures, function(e) e$index, 1L), 1:100)
  expect_identical(in_time(pool$map(sqrt, c(1, 4))), list(1, 2))
})

test_that("of elements that are read together, the one that kills its reader is found, and lost alone", {
  # Handles are made anew by R code of ours where they are read: the worker dies in it
  pool <- local_pool(2, initializer = function() {
    ns <- asNamespace("multiprocessing")
    unlockBinding("revive_handle", ns)
    assign("revive_handle", function(...) tools::pskill(Sys.getpid(), 9), ns)
  })
  for (at in list(17, 1, 40, c(3, 4, 39))) {
    elements <- as.list(1:40)
    elements[at] <- list(Lock())
    got <- in_time(pool$map(is.numeric, elements, chunksize = 20, on_error = "return"))
    expect_deaths(got[at], as.integer(at), 9L)
    expect_match(conditionMessage(got[[at[1]]]), sprintf("the worker of element %d ", at[1]))
    expect_identical(got[-at], rep(list(TRUE), 40 - length(at)))
  }
  elements[20] <- list(new.env()) # with environments elements travel in one piece: no one can be read without the others
  got <- in_time(pool$map(is.numeric, elements, chunksize = 20, on_error = "return"))
  expect_deaths(got, 1:40, 9L)
  expect_identical(in_time(pool$map(sqrt, c(1, 4))), list(1, 2))
})

test_that("of elements that are read together, the one that R cannot read fails alone, whatever the method", {
  pool <- local_pool(2, initializer = function() {
    ns <- asNamespace("multiprocessing")
    unlockBinding("revive_handle", ns)
    assign("revive_handle", function(...) stop("not revived"), ns)
  })
  for (at in list(17, 1, 40, c(3, 4, 39))) {
    elements <- as.list(1:40)
    elements[at] <- list(Lock())
    got <- in_time(pool$map(is.numeric, elements, chunksize = 20, on_error = "return"))
    for (i in at) expect_match(conditionMessage(got[[i]]), sprintf("^element %d failed .*not revived", i))
    expect_identical(got[-at], rep(list(TRUE), 40 - length(at)))
    expect_error(pool$map(is.numeric, elements, chunksize = 20), sprintf("^element %d failed .*not revived", at[1]), class = "TaskError")
    failed <- integer()
    iterator <- pool$imap(is.numeric, elements, chunksize = 20)
    while (iterator$has_next()) tryCatch(iterator$next_value(timeout = 60), TaskError = function(e) failed <<- c(failed, e$index))
    expect_identical(failed, as.integer(at))
  }
  results <- lapply(list(1, Lock(), 3), function(x) pool$apply_async(is.numeric, list(x)))
  expect_true(results[[1]]$get(timeout = 60))
  expect_error(results[[2]]$get(timeout = 60), "^the call failed .*not revived", class = "TaskError")
  expect_true(results[[3]]$get(timeout = 60))
})

test_that("elements that R itself cannot read are an error that names them, and the pool works on", {
  pool <- local_pool(2)
  long <- as.pairlist(as.list(1:60000))
  got <- in_time(tryCatch(pool$map(length, list(1, 2, long, 4)), error = identity))
  if (getRversion() < "4.3") {
    expect_classed_error(stop(got), "EncodingError", "^element 3 cannot be sent to another process")
  } else { # newer Rs can read it
    expect_identical(got, list(1L, 1L, 60000L, 1L))
  }
  expect_identical(in_time(pool$map(length, list(1, 2:3))), list(1L, 2L))
})

test_that("a result that R itself cannot read is its element's error, and the session lives", {
  pool <- local_pool(2)
  long <- function(i) as.pairlist(as.list(seq_len(if (i == 2) 60000 else 1)))
  inside <- function(i) list2env(list(x = long(i)))
  environment(inside) <- list2env(list(long = long), parent = globalenv())
  for (f in list(long, inside)) {
    got <- in_time(pool$map(f, 1:3, on_error = "return"))
    expect_identical(vapply(got[-2], length, 1L), c(1L, 1L))
    if (getRversion() < "4.3") {
      expect_identical(got[[2]]$index, 2L)
      expect_match(conditionMessage(got[[2]]), "element 2 .*as.list")
    } else {
      expect_false(inherits(got[[2]], "error"))
    }
  }
  got <- suppressWarnings(in_time(mclapply(1:3, long, mc.cores = 2)))
  expect_identical(got[-2], list(pairlist(1L), pairlist(1L)))
  if (getRversion() < "4.3") expect_s3_class(attr(got[[2]], "condition"), "EncodingError")
})

test_that("a global variable that R itself cannot read is named", {
  skip_if(getRversion() >= "4.3", "this R can read it")
  pool <- local_pool(1)
  assign("long_global", as.pairlist(as.list(1:60000)), globalenv())
  on.exit(rm("long_global", envir = globalenv()), add = TRUE)
  uses_it <- function() length(long_global)
  environment(uses_it) <- globalenv()
  expect_classed_error(in_time(pool$apply(uses_it)), "EncodingError", "`long_global`, a variable that the function uses")
  expect_identical(in_time(pool$map(sqrt, c(1, 4))), list(1, 2))
})

test_that("mclapply() ends when what its cores do first kills them", {
  x <- structure(list(1, 2, 3, 4, 5, 6), class = "fatal")
  registerS3method("[", "fatal", function(x, i) tools::pskill(Sys.getpid(), 9))
  session_only <- Sys.getpid()
  registerS3method("[", "fatal", function(x, i) if (Sys.getpid() == session_only) unclass(x)[i] else tools::pskill(Sys.getpid(), 9))
  on.exit(registerS3method("[", "fatal", function(x, i) unclass(x)[i]))
  got <- in_time(suppressWarnings(fork_map(x, new_frame(), list(1:3, 4:6), 2L, FALSE)))
  expect_deaths(got$failures, 1:6, 9L)
})

test_that("workers that are killed while they start are replaced, and nothing else is said of them", {
  file <- tempfile()
  pool <- local_pool(2, initializer = function() {
    if (!file.exists(file)) return()
    cat("x", file = file, append = TRUE)
    if (file.size(file) <= 12) tools::pskill(Sys.getpid(), 9)
  })
  pool$status()
  file.create(file)
  for (pid in pool$status()$pid) kill_9(pid)
  expect_identical(in_time(pool$map(function(i) i, 1:10)), as.list(1:10))
})

test_that("a pool whose workers are all killed while they start ends, and says so to every job", {
  pool <- Pool(2, retries = 1000L, initializer = function() if (Sys.getenv("FATAL_START") == "yes") tools::pskill(Sys.getpid(), 9))
  expect_identical(pool$map(identity, 1:2), list(1L, 2L))
  others <- lapply(1:3, function(k) pool$map_async(function(i) Sys.sleep(600), 1:4))
  Sys.setenv(FATAL_START = "yes")
  on.exit(Sys.unsetenv("FATAL_START"))
  for (pid in pool$status()$pid) kill_9(pid)
  text <- "workers in a row were killed before they could work.*signal 9"
  expect_classed_error(in_time(pool$map(identity, 1:4)), "ProcessError", text)
  for (r in others) expect_classed_error(in_time(r$get()), "ProcessError", text)
  expect_classed_error(pool$map(identity, 1:4), "BrokenProcessPool", "terminated; create a new one")
  for (code in c(0L, 4L)) {
    pool <- Pool(1, initializer = function(code) quit("no", code), initargs = list(code))
    r <- NULL
    e <- in_time(error_of({
      r <- pool$map_async(identity, 1:4)
      pool$map(identity, 1:4)
    }))
    expect_s3_class(e, "ProcessError")
    expect_match(conditionMessage(e), sprintf("end before they can work.*exit code %d.*initializer", code))
    if (!is.null(r)) expect_classed_error(r$get(), "ProcessError", "end before they can work")
  }
})

test_that("workers that are killed at any moment, also while they start and read, cost no answer", {
  wanted <- rounds(10000, 60)
  kills <- 0
  data <- list(letters, as.list(1:2000), sd = stats::sd)
  slow <- function(i, data) {
    x <- 0
    for (k in 1:2000) x <- x + k
    i
  }
  for (retries in c(1000L, 0L)) {
    pool <- local_pool(2, retries = retries)
    while (kills < wanted * (if (retries) 0.5 else 1)) {
      result <- pool$map_async(slow, 1:20, sample(8, 1), args = list(data), on_error = "return")
      for (k in 1:5) {
        random_moment(0.02)
        pids <- pool$status()$pid
        kills <- kills + kill_9(pids[sample.int(length(pids), 1)])
      }
      got <- in_time(result$get(timeout = 60))
      died <- vapply(got, inherits, TRUE, "WorkerDiedError")
      expect_identical(got[!died], as.list((1:20)[!died]))
      given_up <- vapply(got, function(e) inherits(e, "error") && grepl("workers in a row died while they read", conditionMessage(e)), TRUE)
      expect_lte(sum(if (retries) died else died & !given_up), if (retries) 0 else 5)
      expect_identical(vapply(got[died], function(e) e$index, 1L), which(died))
      expect_true(all(vapply(got[died], function(e) e$signal, 1L) == 9L))
    }
    pool$terminate()
  }
})

test_that("the heap is sound after all of this", {
  expect_sound_heap()
})
