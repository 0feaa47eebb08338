# What a run of the benchmarks leaves in the file from which the pages take their figures.

bench_tools <- function() {
  file <- file.path("..", "..", "bench", "peers.R")
  skip_if_not(file.exists(file), "the benchmarks are not in the built package")
  tools <- new.env()
  sys.source(file, tools)
  tools
}

table_of <- function(...) list(work = "a job", unit = "ms", figures = list(...), busy = 0)

test_that("a peer that is missing in a run keeps its earlier figures with their date, ours are new", {
  tools <- bench_tools()
  file <- tempfile(fileext = ".csv")
  tools$save_results(file, list(table_of(multiprocessing = 0.002, peer = 0.005, lapply = 0.004, "ours, old way" = 0.003)), "first")
  tools$save_results(file, list(table_of(multiprocessing = 7)), "second")
  earlier <- read.csv(file)
  earlier$date <- "2001-02-03"
  write.csv(earlier, file, row.names = FALSE, na = "")

  expect_message(
    tools$save_results(file, list(table_of(multiprocessing = 0.001, lapply = 0.004, peer = NA_real_)), "first"),
    "keeps earlier figures of peer:"
  )
  saved <- read.csv(file)
  first <- saved[saved$script == "first", ]
  expect_identical(first$who, c("multiprocessing", "lapply", "peer"))
  expect_identical(first$median, c(0.001, 0.004, 0.005))
  expect_identical(first$date, c(format(Sys.Date()), format(Sys.Date()), "2001-02-03"))
  expect_identical(saved$date[saved$script == "second"], "2001-02-03")
})

test_that("a run on a busy machine changes no figure", {
  tools <- bench_tools()
  file <- tempfile(fileext = ".csv")
  tools$save_results(file, list(table_of(multiprocessing = 0.002)), "first")
  before <- readLines(file)
  busy <- table_of(multiprocessing = 9)
  busy$busy <- 0.5
  expect_message(tools$save_results(file, list(busy), "first"), "other programs keep this machine busy")
  expect_identical(readLines(file), before)
})
