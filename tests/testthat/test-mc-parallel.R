# Results named by pid cannot be compared with parallel's; those of named jobs can
run_jobs <- function(p, ..., collect = list()) {
  do.call(p$mccollect, c(list(list(...)), collect))
}

test_that("named jobs deliver what parallel's deliver", {
  shift <- 3
  expect_parity(function(p) run_jobs(p, p$mcparallel(1 + shift, name = "a"), p$mcparallel(NULL, "b"), p$mcparallel(letters, name = 7)))
  expect_parity(function(p) run_jobs(p, p$mcparallel(stop("x"), name = "a"), p$mcparallel(2, "b")))
  expect_parity(function(p) run_jobs(p, p$mcparallel(try(stop("x"), silent = TRUE), name = "a")))
  expect_parity(function(p) run_jobs(p, p$mcparallel(quote(shift + 1), name = c("first", "second"))))
  expect_parity(function(p) run_jobs(p, p$mcparallel(interactive(), name = "a"), p$mcparallel(interactive(), "b", mc.interactive = TRUE)))
  expect_parity(function(p) run_jobs(p, p$mcparallel(cat("never seen\n"), name = "a", silent = TRUE)))
  expect_parity(function(p) p$mccollect(list()))
  expect_parity(function(p) p$mccollect("a"))
  expect_parity(function(p) p$mccollect(list("a")))
  expect_parity(function(p) unname(p$mccollect(p$mcparallel(5, name = "unused"))))
})

test_that("a job looks like parallel's", {
  for (detached in c(FALSE, TRUE)) {
    job <- mcparallel(1, name = "n", detached = detached)
    expected <- parallel::mcparallel(1, name = "n", detached = detached)
    expect_identical(class(job), class(expected))
    expect_named(job, names(expected))
    expect_type(job$pid, "integer")
    expect_identical(job$name, "n")
    if (!detached) {
      mccollect(job)
      parallel::mccollect(expected)
    }
  }
})

test_that("jobs are named by pid unless they are in a list and have names", {
  jobs <- list(mcparallel(1), mcparallel(2, name = "two"))
  expect_named(mccollect(jobs), c(jobs[[1]]$pid, "two"))
  job <- mcparallel(3, name = "three")
  expect_identical(mccollect(job), setNames(list(3), job$pid))
  job <- mcparallel(4)
  expect_identical(mccollect(job$pid), setNames(list(4), job$pid))
})

test_that("without `jobs` all that are left are collected, the newest first", {
  expect_null(mccollect())
  first <- mcparallel("first", name = "named")
  second <- mcparallel("second")
  expect_identical(mccollect(), setNames(list("second", "first"), c(second$pid, first$pid)))
  expect_null(mccollect())
})

test_that("the expression is evaluated in the caller's frame and changes nothing here", {
  x <- 1
  value <- unlist(mccollect(mcparallel({
    x <- x + 1
    c(x, Sys.getpid())
  })), use.names = FALSE)
  expect_identical(value[1], 2)
  expect_false(value[2] == Sys.getpid())
  expect_identical(x, 1)
})

test_that("wait = FALSE gives what has arrived, or NULL", {
  gate <- tempfile()
  slow <- mcparallel({
    while (!file.exists(gate)) Sys.sleep(0.01)
    "slow"
  }, name = "slow")
  expect_null(mccollect(list(slow), wait = FALSE))
  started <- proc.time()[["elapsed"]]
  expect_null(mccollect(list(slow), wait = FALSE, timeout = 0.2))
  expect_gte(proc.time()[["elapsed"]] - started, 0.19)
  quick <- mcparallel("quick", name = "quick")
  expect_identical(mccollect(list(slow, quick), wait = FALSE, timeout = 20), list(quick = "quick"))
  file.create(gate)
  expect_identical(mccollect(list(slow), wait = FALSE, timeout = -1), list(slow = "slow"))
  unlink(gate)
})

test_that("jobs collected twice are NULL with parallel's warnings", {
  job <- mcparallel(1)
  mccollect(job)
  seen <- outcome(mccollect(job))
  expect_identical(seen$value, setNames(list(NULL), job$pid))
  expect_identical(seen$warnings, c(
    sprintf("cannot wait for child %d as it does not exist", job$pid), "1 parallel job did not deliver a result"
  ))
})

test_that("`intermediate` sees the results as they arrive, as often as in parallel: at each result, and at each end", {
  seen <- list()
  jobs <- lapply(1:3, function(i) mcparallel(i, name = letters[i]))
  res <- mccollect(jobs, intermediate = function(partial) seen[[length(seen) + 1L]] <<- partial)
  expect_identical(res, list(a = 1L, b = 2L, c = 3L))
  expect_identical(vapply(seen, function(partial) sum(lengths(partial)), 0L), rep(1:3, each = 2))
  expect_identical(seen[[6]], res)
  shown <- capture.output(mccollect(list(mcparallel(1, name = "s")), intermediate = TRUE))
  expect_match(shown, "\\$ s: num 1", all = FALSE)
})

test_that("a job that dies gives a try-error with its pid and signal, and parallel's warning", {
  job <- mcparallel(tools::pskill(Sys.getpid(), 9L), name = "dead")
  expect_warning(res <- mccollect(list(job, mcparallel(2, name = "alive"))), "^1 parallel job did not deliver a result$")
  expect_identical(res$alive, 2)
  expect_s3_class(res$dead, "try-error")
  condition <- attr(res$dead, "condition")
  expect_s3_class(condition, "WorkerDiedError")
  expect_identical(as.integer(condition$pid), job$pid)
  expect_identical(as.integer(condition$signal), 9L)
  job <- mcparallel(quit("no", status = 4L))
  expect_warning(res <- mccollect(job, wait = FALSE, timeout = 20), "did not deliver")
  expect_identical(as.integer(attr(res[[1]], "condition")$exitcode), 4L)
})

test_that("a detached job runs and cannot be collected", {
  mark <- tempfile()
  job <- mcparallel(file.create(mark), detached = TRUE)
  deadline <- proc.time()[["elapsed"]] + 20
  while (!file.exists(mark) && proc.time()[["elapsed"]] < deadline) Sys.sleep(0.01)
  expect_true(file.exists(mark))
  expect_null(mccollect())
  expect_warning(expect_warning(res <- mccollect(list(job)), "does not exist"), "did not deliver")
  expect_identical(unname(res), list(NULL))
  unlink(mark)
})

test_that("a job runs on the CPUs of mc.affinity", {
  skip_if(is.null(mcaffinity()), "this system has no processor affinity")
  cpu <- mcaffinity()[1]
  expect_identical(mccollect(list(mcparallel(mcaffinity(), name = "w", mc.affinity = cpu))), list(w = cpu))
})

test_that("a job starts with no jobs of its own", {
  mine <- mcparallel(1)
  expect_identical(unname(mccollect(list(mcparallel(mccollect())))), list(NULL))
  expect_identical(unname(mccollect(mine)), list(1))
})

test_that("a result is collected when it is available, although its process has not ended yet", {
  stay <- tempfile()
  file.create(stay)
  job <- mcparallel("early")
  expect_identical(unname(mccollect(job, wait = FALSE, timeout = 60)), list("early"))

  # one that publishes, and then does not end
  job <- mcparallel({
    multiprocessing:::process_publish("early", 0L)
    while (file.exists(stay)) Sys.sleep(0.01)
  })
  expect_identical(unname(mccollect(job, wait = FALSE, timeout = 60)), list("early"))
  expect_true(tools::pskill(job$pid, 0))
  unlink(stay)
})

test_that("without a result mccollect(wait = FALSE) is a visible NULL", {
  stay <- tempfile()
  file.create(stay)
  job <- mcparallel(while (file.exists(stay)) Sys.sleep(0.01))
  expect_identical(withVisible(mccollect(job, wait = FALSE)), list(value = NULL, visible = TRUE))
  unlink(stay)
  expect_identical(unname(mccollect(job)), list(NULL))
})

test_that("jobs of parallel's own mcfork() are collected, alone and among ours", {
  fork <- function(value) {
    job <- parallel:::mcfork()
    if (inherits(job, "masterProcess")) {
      parallel:::sendMaster(value)
      parallel:::mcexit(0L)
    }
    job
  }
  theirs <- fork("theirs")
  expect_identical(mccollect(theirs$pid), structure(list("theirs"), names = theirs$pid))
  theirs <- fork(2)
  res <- mccollect(list(theirs, mcparallel(1, name = "ours")))
  expect_identical(unname(res), list(2, 1))
  theirs <- fork(3)
  expect_identical(unname(mccollect(theirs, wait = FALSE, timeout = 60)), list(3))
  theirs <- fork(4)
  stay <- tempfile()
  file.create(stay)
  ours <- mcparallel(while (file.exists(stay)) Sys.sleep(0.01))
  expect_identical(unname(mccollect(list(ours, theirs), wait = FALSE, timeout = 60)), list(4))
  unlink(stay)
  mccollect(ours)
})

test_that("parallel's own functions refuse our jobs, and say what to use; they do not take them for finished", {
  stay <- tempfile()
  file.create(stay)
  job <- mcparallel(while (file.exists(stay)) Sys.sleep(0.01))
  for (ask in list(parallel:::selectChildren, parallel:::readChild, parallel:::rmChild, parallel::mccollect)) {
    expect_error(ask(job), "use multiprocessing::mccollect", class = "ValueError")
  }
  expect_error(parallel:::selectChildren(list(job)), class = "ValueError")
  unlink(stay)
  expect_identical(unname(mccollect(job)), list(NULL))
  theirs <- parallel::mcparallel(1)
  expect_identical(unname(parallel::mccollect(theirs)), list(1))
})
