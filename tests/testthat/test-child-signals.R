# Ctrl-C, and what becomes of the programs that workers have started. A terminal sends its signals to the process group
# of the session.
signal_of_terminal <- function(pid, name) {
  group <- as.integer(system2("ps", c("-o", "pgid=", "-p", pid), stdout = TRUE))
  stopifnot(group > 1L, group != as.integer(system2("ps", c("-o", "pgid=", "-p", Sys.getpid()), stdout = TRUE)))
  system(sprintf("kill -%s -%d", name, group))
}

# In a task: a program in the background, one that this R waits for, and a fork of parallel's; their pids go into `q`
start_programs <- function(q) {
  background <- as.integer(system("sleep 1000 > /dev/null 2>&1 & echo $!", intern = TRUE))
  fork <- parallel::mcparallel(Sys.sleep(1000))$pid
  q$put(c(background, fork, Sys.getpid()))
  system("sleep 1000")
}

test_that("Ctrl-C for other code does not break elements that sleep, read or wait for a program, nor a process that sleeps", {
  skip_on_cran()
  skip_if_interrupts_are_ignored()
  for (method in c("fork", "spawn")) {
    session <- background_r(function(method) {
      q <- Queue()
      pool <- Pool(3, context = method)
      results <- list(
        pool$apply_async(function(q) {
          q$put(1)
          Sys.sleep(2)
          "slept"
        }, list(q)),
        pool$apply_async(function(q) system("sleep 2; exit 5"), list(q)),
        pool$apply_async(function(q) {
          q$put(1)
          con <- pipe("sleep 2; echo read")
          on.exit(close(con))
          readLines(con)
        }, list(q)),
        Process(function(q) {
          q$put(1)
          Sys.sleep(2)
          "process"
        }, list(q), context = method)$start()
      )
      for (i in 1:3) q$get(timeout = 60)
      cat("inside\n")
      hit <- tryCatch(repeat NULL, interrupt = function(i) "hit")
      values <- lapply(results, function(r) if (inherits(r, "Process")) r$value(timeout = 60) else r$get(timeout = 60))
      cat(hit, unlist(values), "\n")
    }, list(method), stdout = "|")
    expect_identical(next_line(session, 60), "inside")
    signal_of_terminal(session$get_pid(), "INT")
    expect_identical(next_line(session, 60), "hit slept 5 read process ")
    session$kill()
  }
})

test_that("SIGINTs that are sent to workers and processes themselves do not break what sleeps in them", {
  q <- Queue()
  pool <- local_pool(1)
  sleeps <- function() {
    q$put(Sys.getpid())
    start <- Sys.time()
    Sys.sleep(0.5)
    as.numeric(Sys.time() - start, units = "secs") >= 0.5
  }
  result <- pool$apply_async(sleeps)
  p <- Process(sleeps)$start()
  for (i in 1:2) tools::pskill(q$get(timeout = 60), tools::SIGINT)
  expect_true(result$get(timeout = 60))
  expect_true(p$value(timeout = 60))
})

test_that("a call that Ctrl-C cancels ends its elements that sleep, and the programs that they wait for", {
  skip_on_cran()
  for (method in c("fork", "spawn")) {
    session <- background_r(function(method) {
      pool <- Pool(3, context = method)
      pool$map(identity, 1:3)
      hit <- tryCatch(
        {
          cat("inside\n")
          pool$map(function(i) {
            switch(i, Sys.sleep(1000), system("sleep 1000"), readLines(pipe("sleep 1000")))
            Sys.sleep(1000)
          }, 1:3)
        },
        interrupt = function(i) "hit"
      )
      cat(hit, "\n")
      cat(identical(unlist(pool$map(function(i) i, 1:30)), 1:30), "\n")
      Sys.sleep(1000)
    }, list(method), stdout = "|")
    expect_identical(next_line(session, 60), "inside")
    programs <- function() unlist(lapply(children_of(session$get_pid()), children_of)) # a worker may be forked late
    expect_true(wait_until(function() length(programs()) == 2L, 60))
    started <- programs()
    signal_of_terminal(session$get_pid(), "INT")
    expect_identical(next_line(session, 60), "hit ")
    expect_identical(next_line(session, 60), "TRUE ")
    expect_true(wait_until(function() all_gone(started), 60))
    session$kill()
  }
})

test_that("what a worker has started goes with it when its pool or process is terminated", {
  skip_on_cran()
  for (method in c("fork", "spawn")) {
    q <- Queue()
    pool <- Pool(1, context = method)
    pool$apply_async(start_programs, list(q))
    p <- Process(start_programs, list(q), context = method)$start()
    k <- Process(start_programs, list(q), context = method)$start()
    pids <- lapply(1:3, function(i) q$get(timeout = 60))
    workers <- vapply(pids, `[`, 1L, 3L)
    expect_true(wait_until(function() all(lengths(lapply(workers, children_of)) == 2L), 60))
    all <- c(unlist(pids), unlist(lapply(workers, children_of)))
    pool$terminate()
    p$terminate()
    k$kill()
    p$join()
    k$join()
    expect_true(wait_until(function() all_gone(all), 60))
  }
})

test_that("what a worker has started ends with it when another process kills the worker, and when its time is over", {
  skip_on_cran()
  q <- Queue()
  pool <- local_pool(1)
  result <- pool$apply_async(start_programs, list(q))
  pids <- q$get(timeout = 60)
  kill_9(pids[3])
  expect_classed_error(result$get(timeout = 60), "WorkerDiedError")
  expect_true(wait_until(function() all_gone(pids), 60))
  pool <- local_pool(1, task_timeout = 1)
  result <- pool$apply_async(start_programs, list(q))
  pids <- q$get(timeout = 60)
  expect_classed_error(result$get(timeout = 60), "WorkerDiedError")
  expect_true(wait_until(function() all_gone(pids), 60))
})

test_that("what a session's workers have started goes when the session quits, or is killed, also if a worker is stopped", {
  skip_on_cran()
  for (end in c("quit", "kill", "stopped")) {
    session <- background_r(function(end, start_programs) {
      environment(start_programs) <- globalenv()
      q <- Queue()
      pool <- Pool(1)
      pool$apply_async(start_programs, list(q))
      p <- Process(start_programs, list(q), daemon = TRUE)$start()
      nested <- Process(function() {
        inner <- Pool(1)
        inner$apply_async(start_programs, list(q))
        Sys.sleep(1000)
      }, daemon = TRUE)$start()
      cat(unlist(lapply(1:3, function(i) q$get(timeout = 60))), "\n")
      if (end != "quit") Sys.sleep(1000)
    }, list(end, start_programs), stdout = "|")
    pids <- as.integer(strsplit(next_line(session, 60), " ")[[1]])
    expect_length(pids, 9)
    if (end == "stopped") tools::pskill(pids[3], tools::SIGSTOP)
    if (end != "quit") kill_9(session$get_pid())
    expect_true(wait_until(function() all_gone(pids), 60))
  }
})

# A script that attaches the package and runs `code`; its path
script_of <- function(code) {
  file <- tempfile(fileext = ".R")
  writeLines(c(sprintf("library(multiprocessing, lib.loc = %s)", deparse(package_library())), code), file)
  file
}

test_that("a worker's program that is a session itself takes along what its own workers have started", {
  skip_on_cran()
  noted <- tempfile()
  script <- script_of(c(
    "Pool(1)$apply(function(noted) {",
    "  parallel::mccollect(parallel::mcparallel(NULL))", # with any R, the worker has forked
    "  pid <- system('sleep 1000 > /dev/null 2>&1 & echo $!', intern = TRUE)",
    "  cat(pid, Sys.getpid(), '\n', file = noted)",
    "  Sys.sleep(1000)",
    sprintf("}, list(%s))", deparse(noted))
  ))
  outer <- Process(function(script) {
    parallel::mccollect(parallel::mcparallel(NULL))
    system2(file.path(R.home("bin"), "Rscript"), c("--vanilla", script))
  }, list(script))$start()
  pids <- integer()
  expect_true(wait_until(function() {
    pids <<- suppressWarnings(tryCatch(scan(noted, 0L, quiet = TRUE), error = function(e) integer()))
    length(pids) == 2L
  }, 60))
  outer$kill()
  outer$join()
  expect_true(wait_until(function() all_gone(pids), 60))
})

test_that("in a container whose processes have no group in it, no program of others ends", {
  skip_on_cran()
  container <- c("-Urpf", "--mount-proc")
  works <- suppressWarnings(system2("unshare", c(container, "true"), stdout = FALSE, stderr = FALSE)) == 0
  skip_if_not(works, "unshare cannot make a container here")
  script <- script_of(c(
    "ready <- Queue()",
    "p <- Process(function() {",
    "  ready$put(parallel::mccollect(parallel::mcparallel(NULL)))", # it has forked
    "  Sys.sleep(1000)",
    "})$start()",
    "invisible(ready$get())",
    "p$terminate()",
    "p$join()"
  ))
  said <- system2("unshare", c(container, "sh", "-c", shQuote(sprintf(
    "sleep 1000 & other=$!; %s --vanilla %s; kill $other && echo alive", file.path(R.home("bin"), "Rscript"), script
  ))), stdout = TRUE, stderr = FALSE)
  expect_identical(said, "alive")
})

test_that("a program that a task of mclapply() leaves in the background stays, as in parallel", {
  skip_on_cran()
  pids <- unlist(mclapply(1:2, function(i) {
    as.integer(system("sleep 1000 > /dev/null 2>&1 & echo $!", intern = TRUE))
  }, mc.cores = 2))
  on.exit(tools::pskill(pids))
  expect_length(pids, 2)
  expect_true(wait_until(function() {
    multiprocessing:::output_show()
    length(children_of()) == 0L
  }))
  expect_false(any(vapply(pids, is_gone, TRUE)))
})

test_that("a worker never reads the session's standard input or script", {
  skip_on_cran()
  script <- tempfile(fileext = ".R")
  result <- tempfile()
  code <- c(
    sprintf("library(multiprocessing, lib.loc = %s)", deparse(package_library())),
    "ask <- function(i) {",
    "  browser()",
    "  list(readline('? '), readLines(stdin()), scan(quiet = TRUE), readLines(file('stdin')))",
    "}",
    "x <- c(mclapply(1:2, ask, mc.cores = 2), Pool(1, context = 'fork')$map(ask, 1), list(Process(ask, list(1))$start()$value()))",
    sprintf("cat(Sys.getpid(), length(x), length(unlist(x)), '\\n', file = %s, append = TRUE)", deparse(result)),
    sprintf("cat('end', '\\n', file = %s, append = TRUE)", deparse(result))
  )
  writeLines(code, script)
  rscript <- paste(shQuote(file.path(R.home("bin"), "Rscript")), "--vanilla")
  for (command in c(paste(rscript, script), paste(shQuote(file.path(R.home("bin"), "R")), "--vanilla --no-echo <", script))) {
    # testthat makes browser() an error in the programs that it starts
    command <- paste("env -u _R_CHECK_BROWSER_NONINTERACTIVE_", command)
    expect_identical(system(paste(command, "> /dev/null 2>&1"), timeout = 120), 0L)
    lines <- readLines(result)
    expect_length(lines, 2)
    expect_match(lines[1], "^[0-9]+ 4 4 $")
    unlink(result)
  }
})

test_that("the heap is sound after all of this", {
  expect_sound_heap()
})
