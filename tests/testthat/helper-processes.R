# What the tests of processes share: rounds, conditions to wait for, what /proc says of a process, and other Rs.

# `make soak` runs many rounds of what an ordinary run does a few times
soaking <- function() identical(Sys.getenv("MULTIPROCESSING_SOAK"), "1")

rounds <- function(soak, otherwise) if (soaking()) soak else otherwise

now <- function() as.numeric(Sys.time())

wait_until <- function(condition, timeout = 20) {
  deadline <- now() + timeout
  while (!isTRUE(condition())) {
    if (now() > deadline) {
      return(FALSE)
    }
    Sys.sleep(0.001)
  }
  TRUE
}

# A shell that starts something in the background has it ignore SIGINT. R leaves that so since 4.6, and then neither this
# session nor one that it starts can be interrupted.
skip_if_interrupts_are_ignored <- function() {
  ignored <- sub("^SigIgn:\\s*", "", grep("^SigIgn:", readLines("/proc/self/status"), value = TRUE))
  last <- strtoi(substring(ignored, nchar(ignored)), 16L) # signals 1 to 4
  testthat::skip_if(bitwAnd(last, 2L) > 0L, "this R was started with SIGINT ignored (in the background of a script)")
}

# A random moment
random_moment <- function(longest) Sys.sleep(stats::runif(1, 0, longest))

kill_9 <- function(pid) tools::pskill(pid, tools::SIGKILL)

# The error that `expr` gives, or NULL
error_of <- function(expr) {
  tryCatch(
    {
      expr
      NULL
    },
    error = function(e) e
  )
}

# Every error of ours has our class, the precise class and a text
expect_classed_error <- function(expr, class, text = NULL) {
  e <- error_of(expr)
  testthat::expect_s3_class(e, class)
  testthat::expect_s3_class(e, "multiprocessing_error")
  if (!is.null(text)) testthat::expect_match(conditionMessage(e), text)
  invisible(e)
}

# Nearly all in time, and none lost: a busy machine may keep a process that is ready from running for a while
# A busy machine may be slow: how slow is asked in `make soak` alone, otherwise only that nothing hangs.
expect_prompt <- function(seconds, limit = 0.1) {
  if (soaking()) {
    message(sprintf(
      "%d rounds: half within %.1f ms, 99%% within %.1f ms, all within %.1f ms", length(seconds),
      1000 * stats::median(seconds), 1000 * stats::quantile(seconds, 0.99), 1000 * max(seconds)
    ))
  }
  if (!soaking()) limit <- 6
  testthat::expect_lte(stats::quantile(seconds, 0.9, names = FALSE), limit)
  testthat::expect_lte(max(seconds), 10 * limit)
}

heap_state <- function() multiprocessing:::heap_check()

expect_sound_heap <- function() testthat::expect_identical(heap_state()$problem, "")

heap_blocks <- function() {
  gc()
  heap_state()
  gc()
  heap_state()$blocks
}

# --- what the system says ---

process_state <- function(pid) {
  stat <- tryCatch(suppressWarnings(readLines(sprintf("/proc/%d/stat", pid))), error = function(e) NULL)
  if (length(stat)) substr(sub("^.*\\) ", "", stat[1L]), 1L, 1L) else "gone"
}

is_gone <- function(pid) process_state(pid) %in% c("gone", "Z", "X")

all_gone <- function(pids) all(vapply(pids, is_gone, TRUE))

children_of <- function(pid = Sys.getpid()) {
  stats <- Sys.glob("/proc/[0-9]*/stat")
  read <- function(file) c(tryCatch(suppressWarnings(readLines(file, 1L)), error = function(e) NULL), "")[1L]
  lines <- vapply(stats, read, "") # "": it has ended meanwhile
  parents <- as.integer(sub("^.*\\) \\S (\\d+) .*$", "\\1", lines[nzchar(lines)]))
  as.integer(sub(" .*", "", lines[nzchar(lines)]))[parents == pid]
}

# Everything that a leak would add to. A descriptor of the directory listing itself is in every count.
footprint <- function() {
  blocks <- heap_blocks()
  list(
    descriptors = length(list.files("/proc/self/fd")), children = length(children_of()),
    threads = length(list.files("/proc/self/task")), blocks = blocks
  )
}

# Threads of the session that wait until the system has taken the memory of workers down
reaping_threads <- function() {
  names <- vapply(Sys.glob("/proc/self/task/*/comm"), function(file) {
    c(tryCatch(suppressWarnings(readLines(file, 1L)), error = function(e) NULL), "")[1L] # "": it has ended meanwhile
  }, "")
  sum(names == "multiprocessing")
}

# Once all children but `others` have been reaped, and the threads that did it have ended
settled_footprint <- function(others) {
  testthat::expect_true(wait_until(function() {
    multiprocessing:::output_show()
    setequal(children_of(), others) && reaping_threads() == 0L
  }))
  multiprocessing:::output_show() # forgets those whose thread has ended since
  footprint()
}

# --- other Rs ---

package_library <- function() dirname(getNamespaceInfo("multiprocessing", "path"))

# A fresh R that attaches the package and calls `f` with `args`; a process handle of callr
background_r <- function(f, args = list(), ...) {
  testthat::skip_if_not_installed("callr")
  run <- function(f, args, library) {
    library("multiprocessing", lib.loc = library, character.only = TRUE)
    environment(f) <- globalenv()
    do.call(f, args)
  }
  environment(run) <- globalenv()
  environment(f) <- globalenv()
  callr::r_bg(run, list(f = f, args = args, library = package_library()), ...)
}

in_background_r <- function(f, args = list(), timeout = 120, ...) {
  process <- background_r(f, args, ...)
  on.exit(process$kill())
  process$wait(timeout * 1000)
  if (process$is_alive()) stop("the other R did not end in time")
  process$get_result()
}

# For system() in a session that is to be interrupted, with its pid. libc's system() ignores SIGINT while it runs, which on a
# busy machine is long: the signal is sent after that.
interrupt_later <- "(while grep -q 'SigIgn:.*[2367abef]$' /proc/%1$d/status; do sleep 0.05; done; sleep 0.3; kill -INT %1$d) &"

# The next line that a background R (stdout = "|") prints
next_line <- function(process, timeout = 30) {
  deadline <- now() + timeout
  repeat {
    line <- process$read_output_lines(1L)
    if (length(line)) {
      return(line)
    }
    if (now() > deadline || (!process$is_alive() && !process$is_incomplete_output())) {
      return(NA_character_)
    }
    process$poll_io(200L)
  }
}

# --- functions whose package ends the process that reads them ---

library_of_crashy <- function() {
  skip_on_cran()
  library <- tempfile("library")
  source <- file.path(tempfile("source"), "crashy")
  dir.create(library)
  dir.create(file.path(source, "R"), recursive = TRUE)
  writeLines(c("Package: crashy", "Version: 1.0", "Title: Crashes", "Description: It does.", "License: GPL-3"), file.path(source, "DESCRIPTION"))
  writeLines("export(f)", file.path(source, "NAMESPACE"))
  writeLines(c(
    "f <- function(x = 0) x",
    ".onLoad <- function(lib, pkg) {",
    "  if (Sys.getenv('CRASHY_SESSION') != Sys.getpid()) eval(parse(text = Sys.getenv('CRASHY')))",
    "}"
  ), file.path(source, "R", "f.R"))
  Sys.setenv(CRASHY_SESSION = Sys.getpid())
  said <- system2(file.path(R.home("bin"), "R"), c("CMD", "INSTALL", "--no-docs", "--no-test-load", paste0("--library=", library), source),
    stdout = TRUE, stderr = TRUE
  )
  stopifnot(file.exists(file.path(library, "crashy", "DESCRIPTION")))
  library
}

# The function of a package that is not loaded here; `way` is what happens to a process that loads it
crashing_function <- function(library, way, envir = parent.frame()) {
  testthat::skip_if(is.null(library), "the package that crashes was not built")
  old <- .libPaths()
  .libPaths(c(library, old))
  Sys.setenv(CRASHY = "")
  f <- loadNamespace(c("crashy"))$f
  unloadNamespace(c("crashy"))
  Sys.setenv(CRASHY = way)
  do.call(on.exit, list(substitute({
    .libPaths(old)
    Sys.unsetenv("CRASHY")
  }, list(old = old)), add = TRUE), envir = envir)
  f
}
