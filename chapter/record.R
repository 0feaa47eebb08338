# Runs the code of the pages and records what it printed.
#
#   Rscript chapter/record.R            on a machine that does nothing else: writes vignettes/*.Rmd and their pictures
#   Rscript chapter/record.R --trial    the same on any machine, into .build/trial: to look at, never committed
#   Rscript chapter/record.R --check    runs all code again and compares with what was recorded
#   Rscript chapter/record.R zh         one page
#
# chapter/NAME.Rmd is what people edit; vignettes/OUTPUT.Rmd is made from it, with output in place of chunks that run. So
# an installed page shows what was seen on a quiet machine, wherever it is built. What differs from run to run (pids, times,
# the order of lines) stands between <!-- varies --> and <!-- end -->: --check compares its shape, and all else exactly.

# Sources and what is made of them
pages <- c(zh = "multicore-zh", en = "multicore")

source("chapter/svg.R")
source("chapter/tools.R")

args <- commandArgs(trailingOnly = TRUE)
check <- "--check" %in% args
trial <- "--trial" %in% args
chosen <- setdiff(args, c("--check", "--trial"))
if (length(chosen)) pages <- pages[chosen]

# -- A quiet machine --------------------------------------------------------------------------

busy_cores <- function(seconds) {
  helpers <- new.env()
  sys.source(system.file("examples", "cpu_usage.R", package = "multiprocessing", mustWork = TRUE), helpers)
  helpers$measure(Sys.sleep(seconds))$busy
}

# Another program that computes would spoil what the pages show. Waits a minute for it to end.
demand_quiet <- function(when) {
  for (attempt in 1:20) {
    busy <- busy_cores(3)
    if (is.null(busy)) stop("this system has no /proc/stat: it cannot be seen whether the machine is quiet")
    if (max(busy) <= 15) return(invisible())
  }
  stop(sprintf(
    "%s recording, other programs keep a core %.0f %% busy: stop them and run `make chapter` again, or look at a trial: `make chapter TRIAL=1`",
    when, max(busy)
  ), call. = FALSE)
}

# -- Pages ------------------------------------------------------------------------------------

# The markdown of a page, made by a fresh R process in an empty folder. `folder`: where its pictures go.
fuse_page <- function(name, folder) {
  source <- normalizePath(file.path("chapter", paste0(name, ".Rmd")))
  tools <- normalizePath(c("chapter/svg.R", "chapter/tools.R"))
  # the installed examples, and in their place or beside them what the page has of its own
  own <- list.files(file.path("chapter/programs", name), "[.](R|py)$", full.names = TRUE)
  programs <- normalizePath(c(own, list.files("inst/examples", "[.](R|py)$", full.names = TRUE)))
  programs <- programs[!duplicated(basename(programs))]
  dir.create(folder, showWarnings = FALSE, recursive = TRUE)
  folder <- normalizePath(folder)
  text <- callr::r(
    function(source, tools, programs, folder, check) {
      setwd(tempfile("page-") |> (\(path) { dir.create(path); path })())
      file.copy(c(source, programs), ".", overwrite = TRUE)
      environment <- globalenv() # as at the prompt
      for (file in tools) sys.source(file, environment)
      environment$figures <- folder
      environment$checking <- check
      options(width = 90, cli.num_colors = 1L, useFancyQuotes = FALSE, digits.secs = NULL)
      set.seed(1)
      litedown::fuse(basename(source), output = "markdown", envir = environment, quiet = TRUE)
    },
    list(source, tools, programs, folder, check || trial),
    libpath = .libPaths(), env = c(LANGUAGE = "en", LC_ALL = "C.UTF-8", NO_COLOR = "1"), show = FALSE
  )
  tidy_markdown(unlist(strsplit(text, "\n", fixed = TRUE)))
}

# litedown's fences, as they are written by hand
tidy_markdown <- function(lines) {
  lines <- sub("^(`{3,}) \\{\\.r\\}$", "\\1r", lines)
  lines <- sub("^(`{3,}) \\{\\.plain \\.[a-z]+\\}$", "\\1", lines)
  is_fence <- startsWith(lines, "```")
  opens <- is_fence & cumsum(is_fence) %% 2 == 1
  unlist(Map(function(line, apart) c(if (apart) "", line), lines, opens & c(FALSE, nzchar(lines[-length(lines)]))), use.names = FALSE)
}

made_from <- function(name) {
  sprintf("<!-- Made from chapter/%s.Rmd by `make chapter`: edit that file. -->", name)
}

write_page <- function(name, lines, folder) {
  header_end <- which(lines == "---")[2]
  notice <- if (trial) c("", "> **A trial**, recorded while other programs kept the machine busy: its figures mean nothing.")
  lines <- append(lines, c("", made_from(name), notice), header_end)
  writeLines(lines, file.path(folder, paste0(pages[[name]], ".Rmd")), useBytes = TRUE)
}

# What --check compares: all lines, but of what varies only the shape, in any order.
comparable <- function(lines) {
  lines <- lines[!startsWith(lines, "<!-- Made from ") & !startsWith(lines, "![")]
  starts <- which(lines == "<!-- varies -->")
  ends <- which(lines == "<!-- end -->")
  stopifnot(length(starts) == length(ends), ends > starts)
  for (i in seq_along(starts)) {
    inside <- starts[i]:ends[i]
    shape <- gsub("[0-9]+([.,:][0-9]+)*|Inf", "0", lines[inside])
    shape <- trimws(gsub("[-| ]+", " ", shape))
    shape[startsWith(shape, "cpu0 [") & duplicated(shape)] <- "" # a line for each core of the machine
    lines[inside] <- sort(shape)
  }
  lines[nzchar(lines)]
}

compare_page <- function(name, lines) {
  recorded <- comparable(readLines(file.path("vignettes", paste0(pages[[name]], ".Rmd")), encoding = "UTF-8"))
  seen <- comparable(enc2utf8(lines))
  if (identical(recorded, seen)) {
    cat("chapter/", name, ".Rmd: all code gives what was recorded\n", sep = "")
    return(TRUE)
  }
  cat("chapter/", name, ".Rmd gives something else than was recorded:\n", sep = "")
  files <- c(tempfile("recorded-"), tempfile("seen-"))
  writeLines(recorded, files[1], useBytes = TRUE)
  writeLines(seen, files[2], useBytes = TRUE)
  system2("diff", c("-u", files))
  FALSE
}

# What the pages need besides the package: without it nothing can be compared.
lacking <- function() {
  packages <- c("callr", "litedown", "jpeg", "foreach", "doParallel", "future.apply")
  packages <- packages[!vapply(packages, requireNamespace, logical(1), quietly = TRUE)]
  helpers <- new.env()
  sys.source(system.file("examples", "data.R", package = "multiprocessing", mustWork = TRUE), helpers)
  has_data <- tryCatch(
    {
      helpers$package_data("seqinr", "sequences/ct.fasta.gz")
      helpers$package_data("pliman", "tmp_images")
      TRUE
    },
    error = function(e) FALSE
  )
  c(packages, if (!nzchar(Sys.which("python3"))) "python3", if (!has_data) "the data of packages seqinr and pliman")
}

missing <- lacking()
if (length(missing)) {
  cat("The tutorial is not run: it needs ", paste(missing, collapse = ", "), ".\n", sep = "")
  quit(status = if (check) 0 else 1)
}
if (check) {
  same <- vapply(names(pages), function(name) compare_page(name, fuse_page(name, tempfile("figures-"))), logical(1))
  quit(status = if (all(same)) 0 else 1)
}
# All pages or none: they are made in a folder of their own.
made <- file.path(".build", if (trial) "trial" else "recorded")
unlink(made, recursive = TRUE)
dir.create(file.path(made, "figures"), recursive = TRUE)
if (trial) {
  stopifnot(file.copy(list.files("vignettes", full.names = TRUE), made, recursive = TRUE))
} else {
  demand_quiet("before")
}
for (name in names(pages)) {
  seconds <- system.time(write_page(name, fuse_page(name, file.path(made, "figures")), made))[["elapsed"]]
  cat(sprintf("recorded chapter/%s.Rmd in %.0f s\n", name, seconds))
}
if (trial) {
  cat("A trial, to look at: ", made, "\n", sep = "")
} else {
  demand_quiet("after")
  stopifnot(file.copy(list.files(made, "[.]Rmd$", full.names = TRUE), "vignettes", overwrite = TRUE))
  stopifnot(file.copy(list.files(file.path(made, "figures"), full.names = TRUE), "vignettes/figures", overwrite = TRUE))
  cat("Written: vignettes/", paste0(pages, collapse = ".Rmd, vignettes/"), ".Rmd and their pictures\n", sep = "")
}
