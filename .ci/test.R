# Runs testthat on the package in .build/library and leaves the counts in .build/results, and what failed, with its
# message, in .build/failures.
#
#   Rscript .ci/test.R                     every file
#   Rscript .ci/test.R rcpp 'pool$|lock'   the files whose names match; the counts are in .build/results/rcpp

# processx, below testthat, takes SIGCHLD away from package parallel, whose children our tests also
# start. Told so before it is loaded, it passes the signal on; otherwise parallel waits 10 seconds
# for children long gone when R ends, and prints an error.
Sys.setenv(PROCESSX_NOTIFY_OLD_SIGCHLD = "true")

library(testthat)

arguments <- commandArgs(TRUE)
name <- if (length(arguments)) arguments[1L] else "testthat"
filter <- if (length(arguments) > 1L) arguments[2L]

tests <- test_dir(
  "tests/testthat",
  package = "multiprocessing", load_package = "installed",
  filter = filter, reporter = SummaryReporter$new(max_reports = Inf), stop_on_failure = FALSE
)
results <- as.data.frame(tests)

has_failed <- results$failed > 0 | results$error
passed <- sum(!has_failed & !results$skipped)
failed <- sum(has_failed)

slowest <- head(results[order(-results$real), ], 15L)
cat("\nThe slowest tests, in seconds:\n", sprintf("%7.1f  %s: %s\n", slowest$real, slowest$file, slowest$test), sep = "")

dir.create(".build/results", recursive = TRUE, showWarnings = FALSE)
writeLines(paste(passed, failed), file.path(".build/results", name))

is_failure <- function(expectation) inherits(expectation, c("expectation_failure", "expectation_error"))
failure <- function(test) {
  messages <- vapply(Filter(is_failure, test$results), conditionMessage, "")
  paste(c(sprintf("%s, %s: %s", name, test$file, test$test), messages), collapse = "\n")
}
dir.create(".build/failures", recursive = TRUE, showWarnings = FALSE)
writeLines(vapply(tests[has_failed], failure, ""), file.path(".build/failures", name))
cat(sprintf(
  "\n%s: %d passed, %d failed, %d skipped, %d warnings in %.0f s\n",
  name, passed, failed, sum(results$skipped), sum(results$warning), sum(results$real)
))
if (failed > 0 || passed == 0) {
  quit(status = 1)
}
