# A session that works without end; Ctrl-C comes at a random moment. `body` is called in it with the things it
# made in `setup`, again and again, and after every interrupt `check` must find everything right.
interrupted_session <- function(setup, body, check) {
  background_r(function(setup, body, check) {
    for (f in c("setup", "body", "check")) assign(f, `environment<-`(get(f), globalenv()))
    things <- setup()
    repeat {
      at <- tryCatch(
        {
          cat("inside\n")
          repeat body(things)
        },
        interrupt = function(i) as.numeric(Sys.time())
      )
      right <- tryCatch(isTRUE(check(things)), error = function(e) conditionMessage(e))
      problem <- multiprocessing:::heap_check()$problem
      cat(sprintf("%.6f|%s|%s\n", at, right, problem))
    }
  }, list(setup, body, check), stdout = "|", stderr = tempfile())
}

# Ctrl-C of a terminal goes to every process of the foreground group
group_of <- function(pid) c(pid, children_of(pid))

# Every second time to that process alone
expect_interruptible <- function(n, setup, body, check, longest = 0.03) {
  session <- interrupted_session(setup, body, check)
  on.exit(session$kill_tree())
  pid <- session$get_pid()
  latency <- numeric()
  for (k in seq_len(n)) {
    testthat::expect_identical(next_line(session), "inside")
    random_moment(longest)
    targets <- if (k %% 2) pid else group_of(pid)
    sent <- now()
    tools::pskill(targets, tools::SIGINT)
    line <- strsplit(next_line(session), "|", fixed = TRUE)[[1]]
    if (length(line) < 2) break
    latency[k] <- as.numeric(line[1]) - sent
    testthat::expect_identical(line[-1], "TRUE") # right, and the heap has no problem
  }
  testthat::expect_length(latency, n)
  expect_prompt(latency)
  invisible(latency)
}
