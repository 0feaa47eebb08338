# What Rcpp::sourceCpp(), cppFunction() and package inline ask for, by this name, where code says
# `// [[Rcpp::depends(multiprocessing)]]`. Not exported: they look into the namespace. Only Rcpp calls it, so Rcpp is installed.
inlineCxxPlugin <- function(...) {
  settings <- Rcpp::Rcpp.plugin.maker(include.after = "#include <multiprocessing/rcpp.h>", package = "multiprocessing")()
  settings$env$USE_CXX17 <- "yes"
  settings
}
