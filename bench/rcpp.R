# What Rcpp's run time would cost: the package as it is (src/Rcpp.h) beside the same sources compiled with Rcpp.
#
#   MULTIPROCESSING_RCPP=1 R CMD INSTALL --library=/path/to/other .
#   Rscript bench/rcpp.R /path/to/other
#
# Each figure is the median of several fresh sessions, taken in turns.

other <- commandArgs(TRUE)[1L]
if (is.na(other)) stop("where is the package that was compiled with MULTIPROCESSING_RCPP=1? See the first lines")
ours <- dirname(system.file(package = "multiprocessing"))
rounds <- 7L

session <- function(library) {
  code <- '
    library(multiprocessing, lib.loc = commandArgs(TRUE)[1L])
    lock <- Lock()
    invisible(lock$acquire())
    lock$release()
    invisible(mclapply(1:2, identity, mc.cores = 2))
    private_kb <- function() {
      lines <- grep("^Private", readLines("/proc/self/smaps_rollup"), value = TRUE)
      sum(as.numeric(gsub("[^0-9]", "", lines)))
    }
    memory <- private_kb() / 1024
    fork <- median(replicate(15, system.time(mclapply(1:2, identity, mc.cores = 2))[["elapsed"]])) * 1e3
    n <- 1e5
    pair <- system.time(for (i in seq_len(n)) { lock$acquire(); lock$release() })[["user.self"]] / n * 1e6
    holder <- multiprocessing:::lock_holder
    ptr <- lock$.__enclos_env__$private$ptr
    call <- system.time(for (i in seq_len(n)) holder(ptr))[["user.self"]] / n * 1e6
    cat(memory, fork, pair, call)
  '
  file <- tempfile(fileext = ".R")
  writeLines(code, file)
  as.numeric(strsplit(system2(file.path(R.home("bin"), "Rscript"), c(file, library), stdout = TRUE), " ")[[1L]])
}

figures <- lapply(seq_len(rounds), function(round) rbind(ours = session(ours), rcpp = session(other)))
middle <- apply(simplify2array(figures), 1:2, median)
colnames(middle) <- c("session, MB", "mclapply of two, ms", "acquire and release, us", "a small call, us")
print(round(middle, 2))
