# Installs the R packages that are missing, and only those.
#
#   Rscript .ci/deps.R demo       what the package, the programs in inst/examples and the articles need
#   Rscript .ci/deps.R test       what the package and its tests need
#   Rscript .ci/deps.R library    prints the library that receives them
#
# They come from the repositories R is configured with. A package that is installed in the
# version that DESCRIPTION asks for stays as it is. A package whose current version cannot be
# built here (it may want a newer R) is replaced by the newest archived version that can.

logs <- file.path(".build", "logs")

# -- Which library ---------------------------------------------------------------------------

# The first library that R searches; the user's own, created now, when that one is read-only.
target_library <- function() {
  first <- .libPaths()[1]
  if (file.access(first, 2) == 0) {
    return(first)
  }
  user <- strsplit(Sys.getenv("R_LIBS_USER"), .Platform$path.sep, fixed = TRUE)[[1]][1]
  if (is.na(user) || !nzchar(user)) {
    stop(first, " is not writable: set R_LIBS_USER to a folder that is.", call. = FALSE)
  }
  user <- path.expand(user)
  if (!dir.exists(user) && !dir.create(user, recursive = TRUE, showWarnings = FALSE)) {
    stop("Cannot create ", user, ": set R_LIBS_USER to a folder that is writable.", call. = FALSE)
  }
  .libPaths(c(user, .libPaths()))
  user
}

# -- What is needed, and what is missing -----------------------------------------------------

# "a (>= 1.2), b" as a data frame of packages and lowest versions, R itself left out.
requirements <- function(fields) {
  items <- trimws(unlist(strsplit(fields[!is.na(fields)], ",")))
  items <- items[nzchar(items)]
  needs <- data.frame(
    package = sub("[[:space:]]*[(].*$", "", items),
    version = ifelse(grepl(">=", items), gsub("^.*>=[[:space:]]*|[[:space:]]*[)].*$", "", items), "0")
  )
  needs[needs$package != "R", ]
}

is_installed <- function(package, version) {
  have <- suppressWarnings(utils::packageDescription(package, fields = "Version"))
  !is.na(have) && utils::compareVersion(have, version) >= 0
}

unsatisfied <- function(needs) {
  needs[!as.logical(mapply(is_installed, needs$package, needs$version)), ]
}

# The packages to install so that `needs` hold: theirs too, as far as they are missing or too old.
missing_packages <- function(needs, available) {
  found <- character()
  while (nrow(needs) > 0) {
    needs <- unsatisfied(needs[!needs$package %in% found, ])
    found <- union(found, needs$package)
    known <- intersect(needs$package, rownames(available))
    needs <- requirements(available[known, c("Depends", "Imports", "LinkingTo")])
  }
  found
}

# The packages that the example programs name, out of those that DESCRIPTION suggests; and litedown, for the articles.
used_by_examples <- function(suggested) {
  files <- list.files("inst/examples", pattern = "[.]R$", full.names = TRUE)
  code <- unlist(lapply(files, readLines, warn = FALSE))
  is_used <- function(package) {
    any(grepl(sprintf("\\b%s::|(library|need_package)[(]\"?%s\\b", package, package), code))
  }
  suggested[suggested$package == "litedown" | vapply(suggested$package, is_used, logical(1)), ]
}

# -- How it is installed ---------------------------------------------------------------------

install_current <- function(packages, lib) {
  dir.create(logs, recursive = TRUE, showWarnings = FALSE)
  suppressWarnings(utils::install.packages(
    packages,
    lib = lib, Ncpus = 2, quiet = TRUE, keep_outputs = logs
  ))
}

needs_newer_r <- function(tarball) {
  folder <- tempfile()
  on.exit(unlink(folder, recursive = TRUE))
  package <- sub("_.*$", "", basename(tarball))
  utils::untar(tarball, file.path(package, "DESCRIPTION"), exdir = folder)
  depends <- read.dcf(file.path(folder, package, "DESCRIPTION"), fields = "Depends")[1]
  version <- regmatches(depends, regexpr("\\bR *[(]>= *[0-9.]+", depends))
  length(version) == 1 && getRversion() < sub("^.*>= *", "", version)
}

# RcppParallel builds its TBB by cmake since 5.1.11, by make before
needs_missing_cmake <- function(tarball) {
  if (nzchar(Sys.which("cmake"))) {
    return(FALSE)
  }
  folder <- tempfile()
  on.exit(unlink(folder, recursive = TRUE))
  package <- sub("_.*$", "", basename(tarball))
  utils::untar(tarball, file.path(package, "DESCRIPTION"), exdir = folder)
  grepl("cmake", tolower(read.dcf(file.path(folder, package, "DESCRIPTION"), fields = "SystemRequirements")[1]))
}

archived_tarballs <- function(package, repository) {
  index <- tryCatch(
    suppressWarnings(readRDS(gzcon(url(paste0(repository, "/src/contrib/Meta/archive.rds"), "rb")))),
    error = function(e) NULL
  )
  files <- rownames(index[[package]])
  versions <- numeric_version(gsub("^.*_|[.]tar[.]gz$", "", files))
  paste0(rep(repository, length(files)), "/src/contrib/Archive/", files)[order(versions, decreasing = TRUE)]
}

# Tries the newest archived versions that suit this R, at most four.
install_archived <- function(package, lib) {
  tries <- 0
  for (address in unlist(lapply(getOption("repos"), archived_tarballs, package = package))) {
    tarball <- file.path(tempdir(), basename(address))
    if (utils::download.file(address, tarball, quiet = TRUE) != 0 || needs_newer_r(tarball) || needs_missing_cmake(tarball)) {
      next
    }
    message("Trying the archived ", basename(address))
    suppressWarnings(utils::install.packages(
      tarball,
      lib = lib, repos = NULL, type = "source", quiet = TRUE
    ))
    tries <- tries + 1
    if (is_installed(package, "0") || tries == 4) {
      break
    }
  }
  is_installed(package, "0")
}

# What must be there before some packages can be compiled, on systems that lack it.
system_needs <- c(
  fs = "cmake, or libuv's headers (Debian: libuv1-dev, Fedora: libuv-devel)",
  jpeg = "libjpeg's headers (Debian: libjpeg-dev, Fedora: libjpeg-turbo-devel)",
  RcppParallel = "cmake (Debian: cmake, Fedora: cmake)",
  png = "libpng's headers (Debian: libpng-dev, Fedora: libpng-devel)"
)

explain_failure <- function(package) {
  message("Could not install ", package, ".")
  log <- file.path(logs, paste0(package, ".out"))
  if (file.exists(log)) {
    message(paste("  |", utils::tail(readLines(log, warn = FALSE), 12), collapse = "\n"))
  }
  if (package %in% names(system_needs)) {
    message("It needs ", system_needs[[package]], ".")
  }
}

install_missing <- function(needs, lib) {
  if (nrow(unsatisfied(needs)) == 0) {
    return(invisible())
  }
  if (any(getOption("repos") == "@CRAN@")) {
    utils::chooseCRANmirror(graphics = FALSE, ind = 1)
  }
  options(timeout = max(600, getOption("timeout")))
  if (suppressWarnings(system2("pkg-config", c("--exists", "libuv"), stderr = FALSE)) != 0) {
    Sys.setenv(USE_BUNDLED_LIBUV = "1")
  }
  available <- utils::available.packages()
  packages <- missing_packages(needs, available)
  message("Installing ", paste(packages, collapse = ", "), "\n  into ", lib)
  install_current(intersect(packages, rownames(available)), lib)

  # What failed for a reason of its own, and not because something that it needs is missing.
  failed <- missing_packages(needs, available)
  needed_by <- function(package) {
    requirements(available[package, c("Depends", "Imports", "LinkingTo")])
  }
  is_cause <- vapply(failed, function(package) {
    !package %in% rownames(available) || nrow(unsatisfied(needed_by(package))) == 0
  }, logical(1))
  for (package in failed[is_cause]) {
    if (!install_archived(package, lib)) {
      explain_failure(package)
    }
  }
  again <- intersect(missing_packages(needs, available), failed[!is_cause])
  if (length(again) > 0 && any(is_cause)) {
    install_current(again, lib)
  }
}

# --------------------------------------------------------------------------------------------

purpose <- commandArgs(trailingOnly = TRUE)[1]
lib <- target_library()
if (identical(purpose, "library")) {
  cat(lib)
  quit()
}

description <- read.dcf("DESCRIPTION", fields = c("Depends", "Imports", "LinkingTo", "Suggests"))
required <- requirements(description[, c("Depends", "Imports", "LinkingTo")])
suggested <- requirements(description[, "Suggests"])
if (identical(purpose, "demo")) {
  suggested <- used_by_examples(suggested)
} else {
  is_framework <- suggested$package == "testthat"
  required <- rbind(required, suggested[is_framework, ])
  suggested <- suggested[!is_framework, ]
}
install_missing(rbind(required, suggested), lib)

lacking <- unsatisfied(suggested)$package
if (length(lacking) > 0) {
  message("Goes on without ", paste(lacking, collapse = ", "), ": what uses them is skipped.")
}
lacking <- unsatisfied(required)$package
if (length(lacking) > 0) {
  stop("These R packages are needed and could not be installed: ",
    paste(lacking, collapse = ", "), ".",
    call. = FALSE
  )
}
