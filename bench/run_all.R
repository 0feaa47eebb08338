# Every benchmark in turn, each in its own session, and all verdicts at the end. The tables are
# drawn into the folder plots beside this file, or --plots=FOLDER. Their figures go into vignettes/bench.csv, from which the
# pages take theirs, or --results=FILE; the tables into README.md beside this file, or --tables=FILE. The script of a busy
# machine writes nothing (see BENCH_BUSY in peers.R). Scripts can be run one by one: each replaces its own figures only.
#   Rscript bench/run_all.R [--rounds=5] [script names]

here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1L]))
scripts <- c(
  "task_latency", "throughput", "start", "sync", "primitives", "session", "threads", "large", "memory", "views", "jobs", "scaling"
)
given <- commandArgs(TRUE)
options_given <- grep("^--", given, value = TRUE)
chosen <- setdiff(given, options_given)
into <- c(
  plots = file.path(here, "plots"), results = file.path(here, "..", "vignettes", "bench.csv"), tables = file.path(here, "README.md")
)
for (what in names(into)) {
  start <- paste0("--", what, "=")
  if (!any(startsWith(given, start))) options_given <- c(options_given, paste0(start, into[[what]]))
}
unknown <- setdiff(chosen, scripts)
if (length(unknown)) {
  stop("no benchmark ", toString(unknown), "; there are ", toString(scripts), call. = FALSE)
}
if (length(chosen)) scripts <- chosen

Sys.setenv(R_LIBS = paste(.libPaths(), collapse = .Platform$path.sep))
rscript <- file.path(R.home("bin"), "Rscript")
log <- tempfile(fileext = ".txt")
ended <- tempfile()
verdicts <- character()
broken <- character()
for (script in scripts) {
  file <- file.path(here, paste0(script, ".R"))
  run <- c(shQuote(rscript), "--vanilla", shQuote(file), shQuote(options_given))
  system(paste(c("{", run, "; echo $? >", shQuote(ended), "; } 2>&1 | tee", shQuote(log)), collapse = " "))
  said <- grep("^(PASS|FAIL|SKIP) ", readLines(log), value = TRUE)
  status <- as.integer(readLines(ended)) # 1: a promise is not kept
  if (status > 1L || (status == 1L && !any(startsWith(said, "FAIL")))) {
    broken <- c(broken, sprintf("FAIL %s: it did not reach its end", script))
  }
  verdicts <- c(verdicts, said)
}
verdicts <- c(verdicts, broken)
cat("\n==== all verdicts ====\n")
cat(verdicts, sep = "\n")
count <- function(word) sum(startsWith(verdicts, word))
words <- c("PASS", "FAIL", "SKIP")
cat("\n", paste(vapply(words, count, 0L), words, collapse = ", "), "\n", sep = "")
quit(status = if (count("FAIL")) 1L else 0L)
