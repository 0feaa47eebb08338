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

test_that("a run replaces its own section of the page, with what was promised", {
  tools <- bench_tools()
  sys.source(file.path("..", "..", "bench", "tables.R"), tools)
  page <- tempfile(fileext = ".md")
  writeLines(c("# Benchmarks", "", "### first.R", "", "old", "", "### third.R", "", "kept"), page)
  result <- table_of(multiprocessing = c(0.001, 0.002, 0.003), peer = c(0.004, 0.004, 0.004), "ours, old way" = 0.003)
  tools$must_be(result, peer = "peer", ratio = 0.4)
  tools$verdict("PASS", "something else", "it is so")
  tools$save_tables(page, list(result), tools$.bench$verdicts, "first.R")
  lines <- readLines(page)
  expect_false("old" %in% lines)
  expect_identical(tail(lines, 3), c("### third.R", "", "kept"))
  expect_true(paste(
    "| a job | 2 ms (1 ms .. 3 ms); ours, old way 3 ms | peer 4 ms (0.5) |", "<= 0.4 x peer: **FAIL** 0.5 |"
  ) %in% lines)
  expect_true("| something else | it is so | - | **PASS** |" %in% lines)
  another <- tempfile(fileext = ".md")
  tools$save_tables(another, list(result), tools$.bench$verdicts, "first.R")
  expect_identical(readLines(another), lines[match("### first.R", lines):(match("### third.R", lines) - 2L)])

  tools$save_tables(page, list(table_of(multiprocessing = 0.001)), list(), "new.R")
  expect_true(all(c("### first.R", "### new.R", "kept") %in% readLines(page)))
  busy <- table_of(multiprocessing = 9)
  busy$busy <- 0.5
  before <- readLines(page)
  expect_message(tools$save_tables(page, list(busy), list(), "first.R"), "other programs keep this machine busy")
  expect_identical(readLines(page), before)
})
