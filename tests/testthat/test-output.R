test_that("what workers and processes print is seen by capture.output(), whole", {
  pool <- local_pool(2)
  lines <- capture.output(pool$map(function(i) cat("line", i, "\n"), 1:50))
  expect_setequal(lines[grepl("^line", lines)], paste("line", 1:50, ""))
  expect_identical(capture.output(Process(function() print(1:3))$start()$join()), "[1] 1 2 3")
})

test_that("sink() gets it, too", {
  file <- tempfile()
  sink(file)
  tryCatch(Process(function() cat("into the sink\n"))$start()$join(), finally = sink())
  expect_identical(readLines(file), "into the sink")
})

test_that("a sink that was open at the fork does not swallow what a child prints", {
  lines <- capture.output({
    p <- Process(function() cat("inside\n"))$start()
    p$join()
  })
  expect_identical(lines, "inside")
})

test_that("no line is broken: eight processes print a thousand long lines each", {
  n <- rounds(5000, 500)
  text <- strrep("x", 200)
  lines <- capture.output({
    ps <- lapply(1:8, function(k) Process(function() for (i in seq_len(n)) cat(k, i, text, "\n"))$start())
    for (p in ps) p$join()
  })
  expect_length(lines, 8 * n)
  expect_true(all(grepl(paste0("^[1-8] [0-9]+ ", text, " $"), lines)))
  numbers <- as.integer(sub("^[1-8] ([0-9]+) .*", "\\1", lines))
  for (k in 1:8) expect_identical(numbers[startsWith(lines, paste0(k, " "))], seq_len(n))
})

test_that("no line of a process is broken that was stopped, or had no core, in the middle of it", {
  skip_on_cran()
  lines <- capture.output({
    stopped <- Process(function() {
      cat("begin ")
      tools::pskill(Sys.getpid(), tools::SIGSTOP)
      cat("end\n")
    })$start()
    stopifnot(wait_until(function() process_state(stopped$pid) == "T"))
    since <- now()
    wait_until(function() {
      multiprocessing:::output_show()
      now() > since + 0.5
    })
    Process(function() cat("whole\n"))$start()$join()
    tools::pskill(stopped$pid, tools::SIGCONT)
    stopped$join()
  })
  expect_identical(lines, c("whole", "begin end"))
})

test_that("a line without an end is shown when its process is over", {
  expect_identical(capture.output(Process(function() cat("no newline"))$start()$join()), "no newline")
})

test_that("so it is before mclapply() returns, although the system takes down much memory of its workers' later", {
  skip_on_cran()
  keep <- numeric(2^26) + 1
  for (k in 1:5) {
    lines <- capture.output(invisible(mclapply(1:2, function(i) cat("no newline", i), mc.cores = 2)))
    expect_true(lines %in% c("no newline 1no newline 2", "no newline 2no newline 1")) # no line end of our own
  }
  rm(keep)
})

test_that("errors go to standard error: messages are not mixed into the output", {
  said <- capture.output(
    {
      out <- capture.output(Process(function() {
        message("to stderr")
        cat("to stdout\n")
      })$start()$join())
    },
    type = "message"
  )
  expect_identical(out, "to stdout")
  expect_identical(said, "to stderr")
})

test_that("what a compiled program prints from a child is seen as well", {
  expect_identical(capture.output(Process(function() system("echo from a program"))$start()$join()), "from a program")
})

test_that("a session that was started without standard input, output and error keeps its memory to itself", {
  script <- tempfile(fileext = ".R")
  result <- tempfile(fileext = ".rds")
  code <- bquote({
    .libPaths(.(.libPaths()))
    library("multiprocessing", lib.loc = .(package_library()), character.only = TRUE)
    pool <- Pool(2)
    say <- function(x) {
      cat("printed", x, "\n")
      message("said ", x)
      x
    }
    values <- pool$map(say, 1:20)
    say(0)
    values[21:22] <- lapply(c("fork", "spawn"), function(method) {
      Process(say, list(method), context = method)$start()$value(timeout = 60)
    })
    pool$terminate()
    saveRDS(list(values, multiprocessing:::heap_check()$problem), .(result))
  })
  writeLines(deparse(code), script)
  command <- paste(shQuote(file.path(R.home("bin"), "Rscript")), "--vanilla", shQuote(script))
  for (closed in c("<&- >&- 2>&-", ">&- 2>&-", "<&-")) {
    expect_identical(system(paste(command, closed, if (closed == "<&-") "> /dev/null 2>&1"), timeout = 120), 0L)
    expect_identical(readRDS(result), list(c(as.list(1:20), "fork", "spawn"), ""))
    unlink(result)
  }
})

test_that("the last words of a process that is killed are shown", {
  lines <- capture.output(Process(function() {
    cat("before the end\n")
    tools::pskill(Sys.getpid(), 9L)
  })$start()$join())
  expect_identical(lines, "before the end")
})

test_that("a worker that prints 1 MB while it holds a lock that this process waits for stops no process", {
  lock <- Lock()
  q <- Queue()
  lines <- capture.output({
    p <- Process(function() {
      lock$acquire()
      q$put("held")
      for (i in 1:10000) cat(strrep("y", 104), "\n")
      lock$release()
    })$start()
    q$get(timeout = 20)
    got <- lock$acquire(timeout = 20)
    lock$release()
    p$join()
  })
  expect_true(got)
  expect_length(lines, 10000)
  expect_gt(sum(nchar(lines)), 1e6)
  pool <- local_pool(2)
  lines <- capture.output(pool$map(function(i) {
    with(lock, for (k in 1:2000) cat(strrep("z", 104), "\n"))
  }, 1:5))
  expect_equal(sum(startsWith(lines, "zzz")), 10000)
})

test_that("five processes that print under a lock do not mix their lines", {
  lock <- Lock()
  lines <- capture.output({
    ps <- lapply(1:5, function(i) Process(function() with(lock, cat("process", Sys.getpid(), "\n")))$start())
    for (p in ps) p$join()
  })
  expect_setequal(lines, sprintf("process %d ", vapply(ps, function(p) p$pid, 1L)))
})

test_that("what was printed and read gives its memory back", {
  skip_on_cran()
  skip_if(!nzchar(Sys.which("stat")))
  left <- in_background_r(function() {
    # what the files of its children's output take, of which none has a name
    held <- function() {
      files <- list.files("/proc/self/fd", full.names = TRUE)
      files <- files[grepl("memfd:multiprocessing-std", Sys.readlink(files))]
      files <- sub("self", Sys.getpid(), files, fixed = TRUE)
      512 * sum(as.numeric(system2("stat", c("-L", "-c", "%b", files), stdout = TRUE)))
    }
    printed <- Queue()
    go <- Queue()
    sink("/dev/null")
    p <- Process(function() {
      for (i in 1:50000) cat(strrep("y", 1000), "\n")
      printed$put(TRUE)
      go$get()
    })$start()
    printed$get(timeout = 120)
    multiprocessing:::output_show()
    left <- held()
    sink()
    go$put(TRUE)
    p$join()
    left
  })
  expect_lt(left, 4e6) # of 50 MB
})

test_that("output without a line end appears while its process runs, and nothing is added to it", {
  shown <- tempfile()
  con <- file(shown, "w")
  sink(con)
  on.exit({
    sink()
    close(con)
  })
  seen <- Queue()
  result <- local_pool(1)$apply_async(function() {
    cat(".")
    seen$get()
    cat(".")
    1
  })
  p <- Process(function() {
    cat("x")
    seen$get()
    cat("x")
  })$start()
  printed <- function() {
    flush(con)
    sort(strsplit(paste(readLines(shown, warn = FALSE), collapse = "\n"), "")[[1]])
  }
  there <- wait_until(function() {
    result$wait(0.01)
    identical(printed(), c(".", "x"))
  }, 60)
  for (i in 1:2) seen$put("continue")
  expect_true(there)
  expect_identical(result$get(timeout = 60), 1)
  p$join()
  expect_identical(printed(), c(".", ".", "x", "x"))
})

test_that("what was marked is shown in order, also without line ends", {
  lock <- Lock()
  turn <- Queue()
  text <- capture.output({
    a <- Process(function() {
      cat("one ")
      turn$put(1)
    })$start()
    b <- Process(function() {
      turn$get()
      cat("two ")
    })$start()
    a$join()
    b$join()
    cat("three")
  })
  expect_identical(text, "one two three")
})

test_that("all that a task printed is shown when its call returns, megabytes too, and no later call brings any", {
  text <- rep(strrep("p", 99), 20000)
  lines_of <- function(expr) length(capture.output(invisible(expr)))
  for (method in c("fork", "spawn")) {
    pool <- local_pool(2, context = method)
    speak <- function(i) {
      writeLines(text)
      i
    }
    expect_identical(lines_of(pool$map(speak, 1:2)), 40000L)
    expect_identical(lines_of(pool$apply(speak, list(1))), 20000L)
    result <- pool$apply_async(speak, list(1))
    expect_identical(lines_of(result$get(timeout = 60)), 20000L)
    it <- pool$imap(speak, 1)
    expect_identical(lines_of(it$next_value()), 20000L)
    expect_identical(lines_of(pool$map(identity, 1:2)), 0L)
  }
  expect_identical(lines_of(mclapply(1:2, speak, mc.cores = 2)), 40000L)
})

test_that("a Ctrl-C that comes before a process's output is shown ends the wait all the same, and costs no output", {
  skip_if_interrupts_are_ignored()
  me <- Sys.getpid()
  file <- tempfile()
  printed <- tempfile()
  on.exit(unlink(c(file, printed)))
  pool <- local_pool(1)
  # R looks for a Ctrl-C at every hundredth text that it prints
  capture.output(file = file, {
    result <- pool$apply_async(function(printed) {
      writeLines(rep(strrep("x", 99), 10000))
      file.create(printed)
      Sys.sleep(60)
    }, list(printed))
    has_printed <- wait_until(function() file.exists(printed), 60) # without a look at the output
    ended <- tryCatch(
      if (has_printed) {
        suspendInterrupts(tools::pskill(me, tools::SIGINT)) # it is pending from here on
        result$get()
      },
      interrupt = function(i) "by Ctrl-C"
    )
    pool$terminate()
    multiprocessing:::output_show()
  })
  expect_true(has_printed)
  expect_identical(ended, "by Ctrl-C")
  expect_identical(file.size(file), 1e6)
})

test_that("at the prompt package later shows what a process prints", {
  skip_if_not_installed("later")
  loadNamespace("later")
  done <- Queue()
  p <- Process(function() {
    cat("at the prompt\n")
    done$put(1)
  })$start()
  done$get()
  text <- capture.output(invisible(wait_until(function() {
    later::run_now(0.05)
    !multiprocessing:::session$shows
  })))
  expect_identical(text, "at the prompt")
  p$join()
})

test_that("the heap is sound after all of this", {
  expect_sound_heap()
})
