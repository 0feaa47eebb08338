# What Rcpp's run time would cost: the package as it is (src/Rcpp.h) beside the same sources compiled with Rcpp.
#
#   Rscript bench/rcpp.R                 builds both into a temporary folder, then measures
#   Rscript bench/rcpp.R OURS RCPP       measures two libraries that hold them already
#
# Needs about five minutes of two cores for the builds, and a quiet machine. Each figure is the median of several fresh
# sessions, taken in turns; in brackets the range.

arguments <- commandArgs(TRUE)
rounds <- 9L
root <- normalizePath(file.path(dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1L])), ".."))

build <- function(real) {
  library <- tempfile(if (real) "rcpp-" else "ours-")
  dir.create(library)
  source <- file.path(tempfile("source-"), "multiprocessing")
  dir.create(source, recursive = TRUE)
  file.copy(file.path(root, c("DESCRIPTION", "NAMESPACE", "R", "src", "inst")), source, recursive = TRUE)
  unlink(list.files(file.path(source, "src"), "[.](o|so)$", recursive = TRUE, full.names = TRUE))
  env <- c("MAKEFLAGS=-j2", if (real) "MULTIPROCESSING_RCPP=1")
  output <- suppressWarnings(system2(
    file.path(R.home("bin"), "R"), c("CMD", "INSTALL", "--no-docs", paste0("--library=", library), source),
    stdout = TRUE, stderr = TRUE, env = env
  ))
  if (!is.null(attr(output, "status"))) stop(paste(utils::tail(output, 20L), collapse = "\n"))
  library
}

libraries <- if (length(arguments) == 2L) arguments else c(build(FALSE), build(TRUE))

# One fresh session: its figures, in the order of `titles`
session <- function(library) {
  code <- '
    library(multiprocessing, lib.loc = commandArgs(TRUE)[1L])
    lock <- Lock()
    invisible(lock$acquire())
    lock$release()
    invisible(mclapply(1:2, identity, mc.cores = 2))
    invisible(gc())
    kb_of <- function(what) {
      lines <- grep(what, readLines("/proc/self/smaps_rollup"), value = TRUE)
      sum(as.numeric(gsub("[^0-9]", "", lines)))
    }
    memory <- c(kb_of("^Pss:"), kb_of("^Private")) / 1024
    ms <- function(n, expr) {
      call <- substitute(expr)
      median(replicate(n, system.time(eval(call, globalenv()))[["elapsed"]])) * 1e3
    }
    fork <- ms(25, mclapply(1:2, identity, mc.cores = 2))
    start <- ms(15, { pool <- Pool(2); pool$apply(identity, list(1)); pool$terminate() })
    us <- function(n, expr) {
      body <- substitute(expr)
      loop <- eval(bquote(function() for (i in seq_len(.(n))) .(body)), globalenv())
      loop <- compiler::cmpfun(loop)
      min(replicate(5, system.time(loop())[["user.self"]])) / n * 1e6
    }
    pair <- us(1e5, { lock$acquire(); lock$release() })
    holder <- multiprocessing:::lock_holder
    ptr <- lock$.__enclos_env__$private$ptr
    cat(memory, fork, start, pair, us(1e5, holder(ptr)))
  '
  file <- tempfile(fileext = ".R")
  on.exit(unlink(file))
  writeLines(code, file)
  as.numeric(strsplit(system2(file.path(R.home("bin"), "Rscript"), c(file, library), stdout = TRUE), " ")[[1L]])
}

titles <- c(
  "session, Pss, MB", "session, private, MB", "mclapply of two, ms", "pool of two: start, one call, end, ms",
  "lock: acquire and release, us", "a .Call that reads one word, us"
)
invisible(lapply(libraries, session)) # the files are in the page cache
figures <- simplify2array(lapply(seq_len(rounds), function(round) {
  order <- if (round %% 2L) 1:2 else 2:1
  both <- matrix(NA_real_, length(titles), 2L)
  for (k in order) both[, k] <- session(libraries[k])
  both
}))
shown <- function(x) sprintf("%.2f (%.2f - %.2f)", stats::median(x), min(x), max(x))
ratio <- apply(figures[, 2L, ] / figures[, 1L, ], 1L, stats::median)
print(data.frame(
  ours = apply(figures[, 1L, ], 1L, shown), Rcpp = apply(figures[, 2L, ], 1L, shown),
  `Rcpp / ours` = sprintf("%.2f", ratio), row.names = titles, check.names = FALSE
), right = FALSE)
