# Adds the articles to the package that `make install` has installed without them: building them before would compile the
# package twice.
#
#   Rscript .ci/articles.R LIBRARY

library_folder <- commandArgs(trailingOnly = TRUE)[1]
installed <- file.path(library_folder, "multiprocessing")

if (!requireNamespace("litedown", quietly = TRUE)) {
  cat("Installed without its articles: package litedown, which makes them, is not installed.\n")
  quit()
}

title_of <- function(file) sub("^.*VignetteIndexEntry[{](.*)[}].*$", "\\1", grep("VignetteIndexEntry", readLines(file, encoding = "UTF-8"), value = TRUE)[1])

# As R CMD build does: in a copy of the folder, each article in an R of its own.
work <- tempfile("articles-")
dir.create(work)
invisible(file.copy(list.files("vignettes", full.names = TRUE), work, recursive = TRUE))
files <- list.files(work, "[.]Rmd$")
Sys.setenv(R_LIBS = paste(c(library_folder, .libPaths()), collapse = .Platform$path.sep))
made <- vapply(files, function(file) {
  code <- sprintf("setwd('%s'); litedown::fuse('%s', quiet = TRUE)", work, file)
  system2(file.path(R.home("bin"), "Rscript"), c("-e", shQuote(code)), stdout = FALSE, stderr = FALSE, timeout = 120) == 0
}, logical(1))
if (!all(made)) cat("Could not make the article", files[!made], "\n")

files <- files[made]
pages <- sub("[.]Rmd$", ".html", files)
dir.create(file.path(installed, "doc"), showWarnings = FALSE)
invisible(file.copy(file.path(work, c(files, pages)), file.path(installed, "doc"), overwrite = TRUE))
index <- data.frame(
  File = files, Title = vapply(file.path(work, files), title_of, ""), PDF = pages, R = "",
  Depends = I(rep(list(character()), length(files))), Keywords = I(rep(list(character()), length(files))),
  stringsAsFactors = FALSE, row.names = NULL
)
saveRDS(index, file.path(installed, "Meta", "vignette.rds"))
