# Every example is run as a user runs it: by Rscript, in a fresh R process. What
# it wrote is checked line by line.

run_example <- function(name, args = character(), timeout = 120) {
  installed <- find.package("multiprocessing", lib.loc = .libPaths(), quiet = TRUE)
  skip_if(length(installed) == 0, "the package is not installed: a fresh R cannot load it")
  path <- file.path(installed[[1]], "examples", name)
  out <- tempfile("example-out-")
  err <- tempfile("example-err-")
  on.exit(unlink(c(out, err)))
  # system2() reports a time-out as a warning and as status 124.
  status <- suppressWarnings(system2(
    file.path(R.home("bin"), "Rscript"),
    shQuote(c(path, args)),
    stdout = out, stderr = err, timeout = timeout,
    env = c("R_TESTS=''", paste0("R_LIBS=", shQuote(paste(.libPaths(), collapse = ":"))))
  ))
  list(status = status, out = readLines(out, warn = FALSE), err = readLines(err, warn = FALSE))
}

expect_clean <- function(run) {
  expect_identical(run$status, 0L, info = paste(c(run$out, run$err), collapse = "\n"))
}

skip_without_data <- function(package, path) {
  skip_on_cran() # it may download, and writes into the cache folder
  if (package_data_is_here(package, path)) {
    return(invisible())
  }
  packages <- tryCatch(
    suppressWarnings(nrow(utils::available.packages(filters = character()))),
    error = function(e) 0L
  )
  skip_if(packages == 0, "the data are not here, and no repository can be reached")
}

package_data_is_here <- function(package, path) {
  cached <- file.path(tools::R_user_dir("multiprocessing", "cache"), "examples", package, path)
  nzchar(system.file(path, package = package)) || file.exists(cached)
}

test_that("pool.R maps in order, iterates in order, and takes what is ready first", {
  run <- run_example("pool.R")
  expect_clean(run)
  expect_identical(run$out, c(
    "0 1 4 9 16",
    "0 1 4 9 16",
    "imap, in order:",
    "0", "1", "4", "9", "16",
    "imap_unordered, as they finish:",
    "slept for 0.1 s",
    "slept for 0.8 s",
    "slept for 1.5 s"
  ))
})

test_that("process.R prints five whole lines from five different processes", {
  run <- run_example("process.R")
  expect_clean(run)
  expect_match(run$out[[1]], "^Main: [0-9]+$")
  children <- run$out[-1]
  expect_length(children, 5)
  expect_match(children, "^process [0-9]+$")
  pids <- sub("process ", "", children)
  expect_length(unique(c(pids, sub("Main: ", "", run$out[[1]]))), 6)
})

test_that("pipe.R says hello and gets an answer", {
  run <- run_example("pipe.R")
  expect_clean(run)
  # Two processes wrote them: which line is shown first is not promised.
  expect_setequal(run$out, c("proc2 rec: hello", "proc1 rec: hello, too"))
  expect_length(run$out, 2)
})

test_that("queue.R delivers every message exactly once", {
  run <- run_example("queue.R")
  expect_clean(run)
  expect_length(run$out, 10)
  pattern <- "^([0-9]+) get: ([0-9]+)\\(put\\):[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{3}$"
  expect_match(run$out, pattern)
  consumers <- sub(pattern, "\\1", run$out)
  producers <- sub(pattern, "\\2", run$out)
  expect_length(unique(consumers), 10)
  expect_length(unique(producers), 10)
  expect_length(intersect(consumers, producers), 0)
})

test_that("cores.R draws every core four times, and all workers are at work in between", {
  skip_if_not(file.exists("/proc/stat"), "no /proc/stat")
  counters <- strsplit(grep("^cpu ", readLines("/proc/stat"), value = TRUE), " +")[[1]][-1]
  skip_if(sum(as.numeric(counters)) == 0, "this sandbox's /proc/stat does not count")
  run <- run_example("cores.R")
  expect_clean(run)
  titles <- grep("^(before|alone|during|after): ", run$out, value = TRUE)
  expect_identical(sub(":.*", "", titles), c("before", "alone", "during", "after"))
  bars <- grep("^  cpu[0-9]+ +\\[[| ]{40}\\] +[0-9]+ %$", run$out, value = TRUE)
  cores <- length(grep("^cpu[0-9]", readLines("/proc/stat")))
  expect_length(bars, 4 * min(cores, 16))

  table <- utils::read.table(text = grep("^(  +before|cpu[0-9])", run$out, value = TRUE))
  expect_identical(dim(table), c(cores, 4L))
  expect_true(all(table >= 0 & table <= 100))
  workers <- as.numeric(sub(".*pool of ([0-9]+) .*", "\\1", titles[[3]]))
  # Whatever else the machine does, the workers keep their cores busy.
  expect_gt(sum(table$during), 50 * min(workers, cores))
})

test_that("the share of time that a core was busy comes from two readings", {
  helper <- new.env()
  sys.source(system.file("examples", "cpu_usage.R", package = "multiprocessing"), helper)
  before <- data.frame(
    core = c("cpu0", "cpu1", "cpu2"),
    busy = c(10, 20, 5),
    total = c(100, 100, 50)
  )
  after <- data.frame(core = c("cpu0", "cpu2"), busy = c(60, 5), total = c(200, 50))
  # cpu1 was switched off in between; no time at all passed for cpu2.
  expect_identical(helper$cpu_busy(before, after), c(cpu0 = 50, cpu2 = 0))
  expect_null(helper$cpu_busy(NULL, after))
  expect_output(helper$print_bars(c(cpu0 = 50), width = 4), "cpu0   [||  ]  50 %", fixed = TRUE)
  expect_output(helper$print_bars(NULL), "no picture")
})

test_that("kmer_count.R counts the same words in one process and in many", {
  skip_without_data("seqinr", "sequences/ct.fasta.gz")
  run <- run_example("kmer_count.R", timeout = 600)
  expect_clean(run)
  expect_true("Letters in the genome: 1042519 " %in% run$out)
  # Counted another way: by searching the text for a word, on both strands. There
  # are 1042519 - 4 + 1 words of four letters, and (4^4 + 4^2) / 2 different ones
  # when a word and its mirror image are the same.
  helper <- new.env()
  sys.source(system.file("examples", "data.R", package = "multiprocessing"), helper)
  lines <- readLines(helper$package_data("seqinr", "sequences/ct.fasta.gz"))
  text <- paste(lines[!startsWith(lines, ">")], collapse = "")
  times <- function(word) lengths(gregexpr(paste0("(?=", word, ")"), text, perl = TRUE))
  four <- sprintf("^ +4 1042516 +136 +0 +AAAA %d$", times("AAAA") + times("TTTT"))
  expect_match(run$out, four, all = FALSE)
  twelve <- sprintf("AAAAAGAAAAAA +%d$", times("AAAAAGAAAAAA") + times("TTTTTTCTTTTT"))
  expect_match(run$out, twelve, all = FALSE)
  expect_length(grep("same as lapply: +TRUE", run$out), 2)
  expect_match(run$out, "^lapply +[0-9.]+ +1.00 ", all = FALSE)
  expect_match(run$out, "^Pool\\([0-9]+\\) +[0-9.]+ +[0-9.]+ ", all = FALSE)
  expect_match(run$out, "^mclapply\\([0-9]+\\) +[0-9.]+ +[0-9.]+ ", all = FALSE)
})

test_that("blur.R blurs alike with one thread, with all, and in R", {
  run <- run_example("blur.R")
  expect_clean(run)
  expect_identical(run$out[[1]], "A picture of 1740 x 1220 points")
  expect_length(grep("^The same .*TRUE", run$out), 2)
})

test_that("kmer_threads.R counts the same words with processes and with threads", {
  skip_without_data("seqinr", "sequences/ct.fasta.gz")
  skip_if_not_installed("Rcpp")
  run <- run_example("kmer_threads.R", timeout = 300)
  expect_clean(run)
  # 1042519 letters in one sequence
  expect_match(run$out, "^[0-9]+ different words, 1042508 in all", all = FALSE)
  expect_match(run$out, "same counts from all of them: TRUE", all = FALSE)
})

test_that("image_preprocess.R writes the same pictures in one process and in many", {
  skip_without_data("pliman", "tmp_images")
  skip_if_not_installed("jpeg")
  folder <- tempfile("photos-")
  on.exit(unlink(folder, recursive = TRUE))
  run <- run_example("image_preprocess.R", folder, timeout = 600)
  expect_clean(run)
  expect_match(run$out, "^The same numbers: +TRUE", all = FALSE)
  expect_match(run$out, "^The same files: +TRUE", all = FALSE)
  files <- list.files(file.path(folder, "pool"), full.names = TRUE)
  expect_gte(length(files), 200)
  expect_identical(
    unname(tools::md5sum(files)),
    unname(tools::md5sum(list.files(file.path(folder, "one-process"), full.names = TRUE)))
  )
  # A version that is turned by half a circle is the plain one upside down.
  plain <- jpeg::readJPEG(grep("-100-0.jpg", files, fixed = TRUE, value = TRUE)[[1]])
  turned <- jpeg::readJPEG(grep("-100-180.jpg", files, fixed = TRUE, value = TRUE)[[1]])
  expect_identical(dim(plain), c(224L, 224L))
  expect_lt(mean(abs(plain - turned[224:1, 224:1])), 0.01)
  expect_gt(sd(plain), 0.05)
})
