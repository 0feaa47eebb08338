# Workers that start: the session forks one, which forks others, and so on.

parent_pid <- function(i) as.integer(strsplit(sub("^.*\\) ", "", readLines("/proc/self/stat", n = 1L)), " ")[[1L]][2L])

test_that("each worker is a child of the session, also if another worker forked it", {
  skip_on_cran() # more than two workers
  for (n in c(1L, 2L, 5L, 8L)) {
    p <- Pool(n)
    workers <- p$status()$pid
    expect_length(unique(workers), n)
    expect_false(anyNA(workers))
    expect_setequal(intersect(workers, children_of()), workers)
    expect_true(all(unlist(p$map(parent_pid, 1:16, chunksize = 1L)) == Sys.getpid()))
    p$terminate()
    expect_length(intersect(workers, children_of()), 0L)
  }
})

test_that("workers are copies of the session as it was when Pool() was called", {
  skip_on_cran() # more than two workers
  # What no job sends: it shows when a worker was forked.
  kept <- multiprocessing:::session
  on.exit(rm("test_mark", envir = kept))
  for (round in 1:10) {
    kept$test_mark <- "before"
    p <- Pool(8)
    kept$test_mark <- "after"
    seen <- p$map(function(i) multiprocessing:::session$test_mark, 1:32, chunksize = 1L)
    expect_identical(unique(unlist(seen)), "before")
    p$terminate()
  }
})

test_that("a pool that is terminated while its workers start leaves none of them", {
  skip_on_cran() # more than two workers
  others <- children_of()
  for (round in seq_len(rounds(200, 40))) {
    p <- Pool(8)
    random_moment(0.004)
    p$terminate()
    expect_length(setdiff(children_of(), others), 0L)
  }
  expect_sound_heap()
})

test_that("workers that are killed while they fork others are replaced, and all elements computed", {
  skip_on_cran() # more than two workers
  for (round in seq_len(rounds(200, 40))) {
    others <- children_of()
    p <- Pool(8, retries = 3L)
    random_moment(0.004)
    new <- setdiff(children_of(), others)
    kill_9(new[seq_len(min(2L, length(new)))])
    expect_identical(p$map(function(i) i^2, 1:40), as.list((1:40)^2))
    expect_length(unique(p$status()$pid), 8L)
    p$terminate()
    expect_length(setdiff(children_of(), others), 0L)
  }
  expect_sound_heap()
})

test_that("mclapply() with many cores forks them in the same way", {
  skip_on_cran() # more than two workers
  seen <- mclapply(1:24, function(i) c(Sys.getpid(), parent_pid()), mc.cores = 8L)
  expect_length(unique(vapply(seen, `[`, 0L, 1L)), 8L)
  expect_true(all(vapply(seen, `[`, 0L, 2L) == Sys.getpid()))
})

test_that("a function is compiled before it goes to new workers, also one with source references", {
  skip_on_cran() # more than two workers
  text <- "function(i) { is_compiled(sys.function()) }"
  for (env in list(asNamespace("multiprocessing"), new.env(parent = asNamespace("multiprocessing")))) {
    fun <- eval(parse(text = text, keep.source = TRUE), env)
    p <- local_pool(2)
    expect_identical(p$map(fun, 1:2, chunksize = 1L), list(TRUE, TRUE))
    expect_false(is_compiled(fun))
    expect_s3_class(attr(fun, "srcref"), "srcref")
  }
})

# What `run` gives in an R of a user who may have few processes, and has no others
as_nobody <- function(run, processes, user) {
  tools <- Sys.which(c("setpriv", "prlimit"))
  skip_if_not(Sys.info()[["user"]] == "root" && all(nzchar(tools)), "root with setpriv and prlimit")
  script <- tempfile(fileext = ".R")
  writeLines(c(
    sprintf(".libPaths(%s)", paste(deparse(c(package_library(), .libPaths())), collapse = "")),
    "if (!requireNamespace('multiprocessing', quietly = TRUE)) quit(status = 77)", "library(multiprocessing)",
    paste("run <-", paste(deparse(run), collapse = "\n")), "dput(run())"
  ), script)
  command <- sprintf(
    "%s --nproc=%d %s --reuid=%d --clear-groups %s --vanilla -", tools[["prlimit"]], processes, tools[["setpriv"]],
    user, file.path(R.home("bin"), "Rscript")
  )
  said <- suppressWarnings(system2("sh", c("-c", shQuote(command)), stdin = script, stdout = TRUE, env = "TMPDIR=/tmp"))
  skip_if(identical(attr(said, "status"), 77L), "the package's library is not readable by other users")
  eval(parse(text = said))
}

start_as_nobody <- function() {
  first <- Pool(2)
  first$map(identity, 1:2)
  p <- NULL
  failure <- tryCatch(
    {
      p <- Pool(64)
      p$status() # waits until all are there
    },
    error = function(e) e
  )
  later <- if (!is.null(p)) conditionMessage(tryCatch(p$map(identity, 1:2), error = identity))
  list(
    class = class(failure), message = conditionMessage(failure), later = later,
    right = identical(first$map(identity, 1:4), as.list(1:4)), problem = multiprocessing:::heap_check()$problem
  )
}

test_that("a process that the system refuses to a worker is a classed error, and the session works on", {
  skip_on_cran()
  seen <- as_nobody(start_as_nobody, 20, 54321)
  expect_identical(seen$class[1:3], c("BrokenProcessPool", "ProcessError", "multiprocessing_error"))
  expect_match(seen$message, "could not start another process.*terminated")
  expect_match(seen$later, "terminated; create a new one")
  expect_true(seen$right)
  expect_identical(seen$problem, "")
})

test_that("workers that are dead, but not gone, take nothing from the next ones", {
  skip_on_cran()
  again <- function() {
    keep <- numeric(2^26) + 1
    n <- max(1L, 6L - length(list.files("/proc/self/task"))) # all that are allowed
    once <- function() tryCatch(identical(mclapply(1:n, identity, mc.cores = n), as.list(1:n)), error = conditionMessage)
    lapply(1:10, function(k) {
      list(once(), once(), tryCatch(is.environment(Process(identity, list(1))$start()$join()), error = conditionMessage))
    })
  }
  expect_identical(as_nobody(again, 6, 54322), rep(list(list(TRUE, TRUE, TRUE)), 10))
})

# In an R of its own: what the session has loaded and touched before counts. A page that a child copies is a fault.
test_that("a worker of mclapply() copies no more of the session's memory before its task than parallel's", {
  skip_on_cran()
  faults <- in_background_r(function() {
    faults <- function(i) as.numeric(strsplit(sub("^.*\\) ", "", readLines("/proc/self/stat", n = 1L)), " ")[[1L]][8L])
    calls <- replicate(15L, c(
      ours = mean(unlist(multiprocessing::mclapply(1:2, faults, mc.cores = 2))),
      theirs = mean(unlist(parallel::mclapply(1:2, faults, mc.cores = 2)))
    ))
    apply(calls, 1L, stats::median)
  })
  expect_lte(faults[["ours"]], 1.1 * faults[["theirs"]])
})
