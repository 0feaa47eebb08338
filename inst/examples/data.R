# Where the real jobs find their data: files that come with CRAN packages.
#
# The packages themselves are not needed, only these files. If the package is
# installed, its file is used. If not, the package is downloaded once (a few MB),
# the data are taken out of it and kept in R's cache folder for this package:
# tools::R_user_dir("multiprocessing", "cache"). Delete that folder when you like.

cache_folder <- function(...) {
  file.path(tools::R_user_dir("multiprocessing", "cache"), "examples", ...)
}

# R may not have been told yet where to download from: use CRAN's own "cloud".
choose_repository <- function() {
  if ("@CRAN@" %in% getOption("repos")) {
    utils::chooseCRANmirror(ind = 1, local.only = TRUE)
  }
}

# The path of a file or a folder that package `package` installs as `path`.
package_data <- function(package, path) {
  installed <- system.file(path, package = package)
  if (nzchar(installed)) {
    return(installed)
  }
  cached <- cache_folder(package, path)
  if (file.exists(cached)) {
    return(cached)
  }

  message("Fetching the data of package '", package, "' (once) ...")
  # Inside the cache, so that the last step can be a rename: all or nothing.
  folder <- cache_folder(paste0("incoming-", Sys.getpid()))
  dir.create(folder, recursive = TRUE, showWarnings = FALSE)
  on.exit(unlink(folder, recursive = TRUE))
  choose_repository()
  # Warnings on the way may be harmless (a second address is tried); what counts
  # is whether the file exists in the end.
  archive <- tryCatch(
    suppressWarnings(
      utils::download.packages(package, folder, type = "source", quiet = TRUE)[, 2]
    ),
    error = function(e) character()
  )
  if (length(archive) == 1) {
    inside <- file.path(package, "inst", path)
    everything <- utils::untar(archive, list = TRUE)
    wanted <- everything[startsWith(everything, inside) & !endsWith(everything, "/")]
    utils::untar(archive, files = wanted, exdir = folder)
    dir.create(dirname(cached), recursive = TRUE, showWarnings = FALSE)
    file.rename(file.path(folder, inside), cached)
  }
  if (!file.exists(cached)) {
    stop(
      "the data of package '", package, "' are not here and could not be downloaded.\n",
      "Try again with a network, or install.packages(\"", package, "\").",
      call. = FALSE
    )
  }
  cached
}

# Load a package; install it first, into the cache folder, if it is missing.
need_package <- function(package, advice = "") {
  library_folder <- cache_folder("library", paste0("R-", getRversion()))
  .libPaths(c(.libPaths(), library_folder))
  if (requireNamespace(package, quietly = TRUE)) {
    return(invisible())
  }
  message("Installing package '", package, "' (once) ...")
  dir.create(library_folder, recursive = TRUE, showWarnings = FALSE)
  choose_repository()
  try(utils::install.packages(package, lib = library_folder, quiet = TRUE))
  .libPaths(c(.libPaths(), library_folder))
  if (!requireNamespace(package, quietly = TRUE)) {
    stop("package '", package, "' could not be installed. ", advice, call. = FALSE)
  }
}
