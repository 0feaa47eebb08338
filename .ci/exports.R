# Writes src/RcppExports.cpp and R/RcppExports.R from the attributes in src/*.cpp, and fails if they were not up to date.
#
#   Rscript .ci/exports.R

files <- c("src/RcppExports.cpp", "R/RcppExports.R")
content <- function() lapply(files, readLines)

before <- content()
invisible(Rcpp::compileAttributes("."))
if (!identical(before, content())) {
  message("RcppExports were out of date and are written anew: look at them and commit them.")
  quit(status = 1)
}
