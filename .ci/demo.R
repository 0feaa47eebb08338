# Runs the example programs and the real jobs, each in an R of its own, and reports.
#
#   Rscript .ci/demo.R

titles <- c(
  pool.R = "A pool of 5 squares numbers: map, imap, imap_unordered",
  process.R = "Five processes take turns at one lock",
  pipe.R = "Two processes talk through a pipe",
  queue.R = "Ten producers and ten consumers at a queue of three places",
  cores.R = "How busy each core is",
  blur.R = "Threads: a Gaussian blur",
  kmer_threads.R = "Processes or threads: the same k-mers by both",
  kmer_count.R = "Real job: counting k-mers in a genome",
  image_preprocess.R = "Real job: preparing a folder of photographs"
)
time_limit <- 600

run_program <- function(file) {
  cat(sprintf("\n== %s (%s)\n", titles[[file]], file))
  path <- file.path("inst", "examples", file)
  elapsed <- system.time({
    status <- system2(
      file.path(R.home("bin"), "Rscript"), shQuote(path),
      timeout = time_limit
    )
  })[["elapsed"]]
  data.frame(
    program = file,
    result = if (status == 0) "ok" else if (status == 124) "TIMED OUT" else "FAILED",
    seconds = round(elapsed, 1)
  )
}

report <- do.call(rbind, lapply(names(titles), run_program))
cat("\n== All programs\n")
print(report, row.names = FALSE, right = FALSE)
cat(sprintf(
  "\nmultiprocessing %s is installed: %d of %d programs succeeded.\n",
  utils::packageVersion("multiprocessing"), sum(report$result == "ok"), nrow(report)
))
if (any(report$result != "ok")) {
  quit(status = 1)
}
