# Every block of code on the pages runs as it is pasted: the R code of a page from top to bottom in a fresh R, in an empty
# folder; programs that the page names, such as **pool.R**, from files with these names.

page_files <- function() {
  folder <- file.path("..", "..", "vignettes")
  skip_if_not(dir.exists(folder), "the pages are not in the installed package")
  list.files(normalizePath(folder), "[.]Rmd$", full.names = TRUE)
}

# The blocks of a page: language, code, the program's name or "", and whether the page shows that the code fails.
page_blocks <- function(file) {
  lines <- readLines(file, encoding = "UTF-8")
  fences <- grep("^```", lines)
  starts <- fences[c(TRUE, FALSE)]
  ends <- fences[c(FALSE, TRUE)]
  stopifnot(length(starts) == length(ends), lines[ends] == "```")
  text_before <- function(at) {
    above <- lines[seq_len(at - 1L)]
    above <- above[nzchar(above)]
    above[length(above)]
  }
  fails <- function(end) {
    below <- setdiff(utils::head(lines[-seq_len(end)], 4L), c("", "```"))
    length(below) > 0 && startsWith(below[1L], "#> Error")
  }
  seen <- !grepl("(echo|include) *= *FALSE", lines[starts]) # what no reader sees, no reader pastes
  Map(function(start, end) {
    name <- text_before(start)
    list(
      language = sub("^```[{]?([a-z]*).*$", "\\1", lines[start]), code = lines[seq_len(end - start - 1L) + start],
      program = if (grepl("^[*]{2}[a-z_]+[.](R|py)[*]{2}$", name)) gsub("*", "", name, fixed = TRUE) else if (startsWith(lines[start], "```python")) "program.py" else "",
      fails = fails(end)
    )
  }, starts[seen], ends[seen])
}

# Runs in a fresh R, in an empty folder. Gives a line for each block that did something else than the page says.
run_blocks <- function(blocks) {
  folder <- tempfile("page-")
  dir.create(folder)
  setwd(folder)
  # programs with a worker for each core that they may use
  multiprocessing::mcaffinity(utils::head(multiprocessing::mcaffinity(NULL), 2L))
  wrong <- character()
  for (block in blocks) {
    code <- paste(block$code, collapse = "\n")
    if (nzchar(block$program)) {
      writeLines(block$code, block$program, useBytes = TRUE)
      command <- if (block$language == "r") file.path(R.home("bin"), "Rscript") else Sys.which("python3")
      # this one keeps all cores of the machine busy, which a test may not
      if (!nzchar(command) || block$program == "cores.py") next
      status <- system2(command, block$program, stdout = "program.out", stderr = "program.out", timeout = 300)
      if (status != 0) wrong <- c(wrong, paste0(block$program, ":\n", paste(readLines("program.out"), collapse = "\n")))
      next
    }
    failed <- NULL
    utils::capture.output(type = "output", suppressWarnings(suppressMessages(for (expression in parse(text = code))
      failed <- tryCatch(
        {
          eval(expression, globalenv())
          failed
        },
        error = function(e) conditionMessage(e)
      ))))
    if (is.null(failed) == block$fails) wrong <- c(wrong, paste0(code, "\n# ", if (is.null(failed)) "did not fail" else failed))
  }
  wrong
}

# Packages that code names, as `name::` or in library(), but those that the page itself installs into a folder.
packages_of <- function(blocks) {
  code <- unlist(lapply(Filter(function(block) block$language == "r", blocks), `[[`, "code"))
  code <- grep("lib.loc", code, fixed = TRUE, value = TRUE, invert = TRUE)
  named <- unlist(regmatches(code, gregexpr("[A-Za-z][A-Za-z0-9.]*(?=::)|(?<=library[(])[A-Za-z0-9.]+", code, perl = TRUE)))
  setdiff(named, "std") # of C++
}

# The data of the two real jobs are fetched once; without them, and without a network, pages that use them are left out. Gives
# a cache folder with a small part of them, so that a page takes seconds: 1,000 lines of the genome, three photographs. NULL
# without data.
small_data <- function() {
  helpers <- new.env()
  sys.source(system.file("examples", "data.R", package = "multiprocessing"), helpers)
  tryCatch(
    {
      genome <- suppressMessages(helpers$package_data("seqinr", "sequences/ct.fasta.gz"))
      photos <- list.files(suppressMessages(helpers$package_data("pliman", "tmp_images")), "[.]jpg$", full.names = TRUE)
      cache <- tempfile("cache-")
      folder <- file.path(cache, "R", "multiprocessing", "examples")
      dir.create(file.path(folder, "seqinr", "sequences"), recursive = TRUE)
      dir.create(file.path(folder, "pliman", "tmp_images"), recursive = TRUE)
      small <- gzfile(file.path(folder, "seqinr", "sequences", "ct.fasta.gz"), "w")
      writeLines(readLines(genome, 1000L), small)
      close(small)
      large <- photos[order(-file.size(photos))]
      file.copy(utils::head(large, 3L), file.path(folder, "pliman", "tmp_images"))
      cache
    },
    error = function(e) NULL
  )
}

test_that("every block of code on the pages runs as it is pasted", {
  skip_on_cran()
  skip_if_not_installed("callr")
  files <- page_files()
  expect_true(all(c("multicore-zh.Rmd", "multicore.Rmd", "faq.Rmd", "cpp.Rmd", "cpp-zh.Rmd") %in% basename(files)))
  pages <- lapply(files, function(file) {
    blocks <- Filter(function(block) block$language %in% c("r", "python"), page_blocks(file))
    # what installs packages is not for a test
    Filter(function(block) !any(grepl("install.packages", block$code)), blocks)
  })
  names(pages) <- basename(files)
  cache <- small_data()
  data_folder <- if (!is.null(cache)) c(R_USER_CACHE_DIR = cache)
  for (name in names(pages)) {
    missing <- Filter(function(package) !requireNamespace(package, quietly = TRUE), packages_of(pages[[name]]))
    uses_data <- any(grepl("package_data(", unlist(lapply(pages[[name]], `[[`, "code")), fixed = TRUE))
    if (uses_data && is.null(cache)) missing <- c(missing, "the data of packages seqinr and pliman")
    if (length(missing)) {
      message(name, " is left out: it needs ", paste(missing, collapse = ", "))
      pages[[name]] <- NULL
    }
  }
  # two pages at a time; the long ones first
  order <- order(-lengths(pages))
  processes <- list()
  waiting <- names(pages)[order]
  finish <- function(name) {
    expect_identical(processes[[name]]$get_result(), character(), info = name)
    processes[[name]] <<- NULL
  }
  while (length(waiting) || length(processes)) {
    while (length(waiting) && length(processes) < 2) {
      name <- waiting[1L]
      waiting <- waiting[-1L]
      processes[[name]] <- callr::r_bg(
        run_blocks, list(pages[[name]]), libpath = .libPaths(),
        env = c(callr::rcmd_safe_env(), R_LIBS = paste(.libPaths(), collapse = ":"), NOT_CRAN = "true", data_folder)
      )
    }
    processes[[1L]]$wait(200)
    for (name in names(processes)) if (!processes[[name]]$is_alive()) finish(name)
  }
})

test_that("no page is a trial, and its pictures have a text and words in its language", {
  for (file in page_files()) {
    lines <- readLines(file, encoding = "UTF-8")
    expect_false(any(grepl("**A trial**", lines, fixed = TRUE)), info = basename(file))
    pictures <- regmatches(lines, regexpr("!\\[[^]]*\\]\\([^)]+\\)", lines))
    expect_false(any(startsWith(pictures, "![]")), info = basename(file))
    paths <- file.path(dirname(file), sub("^.*\\((.*)\\)$", "\\1", pictures))
    expect_true(all(file.exists(paths)), info = paste(basename(file), paths[!file.exists(paths)]))
    expect_true(all(endsWith(paths, "-zh.svg") == endsWith(file, "-zh.Rmd")), info = paste(basename(file), "has pictures in the other language"))
  }
})

test_that("every page has a twin in the other language, and every figure in its text is in the benchmarks' file", {
  files <- page_files()
  names <- sub("[.]Rmd$", "", basename(files))
  english <- names[!endsWith(names, "-zh")]
  expect_setequal(paste0(english, "-zh"), setdiff(names, english))
  numbers <- new.env()
  old <- setwd(dirname(files[1L]))
  on.exit(setwd(old))
  sys.source("numbers.R", numbers)
  for (file in files) {
    lines <- readLines(file, encoding = "UTF-8")
    inline <- unlist(regmatches(lines, gregexpr("(?<=`[{]r[}] )[^`]+(?=`)", lines, perl = TRUE)))
    for (code in inline) expect_match(eval(parse(text = code, encoding = "UTF-8"), numbers), "^[0-9]", info = basename(file))
  }
})
