#' @keywords internal
#' @useDynLib multiprocessing, .registration = TRUE
#' @importFrom R6 R6Class
"_PACKAGE"

.onLoad <- function(libname, pkgname) {
  if (requireNamespace("iterators", quietly = TRUE)) {
    registerS3method("nextElem", "PoolIterator", nextElem.PoolIterator, envir = asNamespace("iterators"))
  }
}
