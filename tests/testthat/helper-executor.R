# What the tests of executors share.

# A call that says that it has begun, and runs until the gate is opened
gate <- function() {
  begun <- Queue()
  open <- Queue()
  list(
    call = function(value = NULL) {
      begun$put(TRUE)
      open$get()
      value
    },
    await = function() begun$get(timeout = 60),
    open = function() open$put(TRUE)
  )
}

local_executor <- function(..., envir = parent.frame()) {
  executor <- ProcessPoolExecutor(...)
  end <- as.call(list(function() executor$shutdown(cancel_futures = TRUE)))
  do.call(base::on.exit, list(end, add = TRUE), envir = envir)
  executor
}

# A vector that runs R code when it is written and when it is read, see stages.c; in an environment, which R's own code reads
local_stages <- function() {
  skip_on_cran()
  folder <- tempfile("stages")
  dir.create(folder)
  file.copy(testthat::test_path("stages.c"), folder)
  said <- suppressWarnings(system2(file.path(R.home("bin"), "R"), c("CMD", "SHLIB", file.path(folder, "stages.c")), stdout = TRUE, stderr = TRUE))
  library <- file.path(folder, paste0("stages", .Platform$dynlib.ext))
  skip_if_not(file.exists(library), "the library of this test cannot be compiled")
  library
}

staged <- function(when_written, when_read) {
  list2env(list(x = .Call("with_hooks", list(when_written, when_read))), parent = globalenv())
}
environment(staged) <- globalenv()

# Runs a script in an R of its own that has the package attached; its lines, and its status as R gives it
run_script <- function(script, args = character()) {
  file <- tempfile("script", fileext = ".R")
  on.exit(unlink(file))
  writeLines(c(sprintf("library(multiprocessing, lib.loc = %s)", deparse1(package_library())), "args <- commandArgs(TRUE)", script), file)
  suppressWarnings(system2(file.path(R.home("bin"), "Rscript"), c("--vanilla", shQuote(c(file, args))), stdout = TRUE, stderr = TRUE, timeout = 120))
}
