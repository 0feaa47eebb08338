# The code of the front pages runs as it is pasted, and prints what the page shows.

pages <- function() {
  files <- file.path("..", "..", c("README.md", "README.zh.md"))
  skip_if_not(all(file.exists(files)), "the front pages are not in the built package")
  files
}

# The R code of a page, top to bottom, with its `#>` lines.
r_blocks <- function(file) {
  lines <- readLines(file, encoding = "UTF-8")
  fences <- grep("^```", lines)
  starts <- fences[lines[fences] == "```r"]
  code <- lapply(starts, function(start) lines[(start + 1):(fences[fences > start][1] - 1)])
  code[!grepl("install.packages", vapply(code, paste, "", collapse = "\n"))]
}

# Each expression of a block with the output that the page shows below it.
steps_of <- function(block) {
  is_output <- startsWith(block, "#>")
  source <- block
  source[is_output] <- ""
  parsed <- parse(text = source, keep.source = TRUE)
  ends <- vapply(attr(parsed, "srcref"), `[`, integer(1), 3L)
  Map(function(expression, from, to) {
    below <- if (to > from) (from + 1):to else integer()
    list(expression = expression, shown = sub("^#> ?", "", block[below][is_output[below]]))
  }, as.list(parsed), ends, c(ends[-1] - 1L, length(block)))
}

# Runs in a fresh R: what each expression printed, and the messages of its warnings.
run_steps <- function(expressions) {
  lapply(expressions, function(expression) {
    warnings <- character()
    printed <- utils::capture.output(withCallingHandlers(
      {
        result <- withVisible(eval(expression, globalenv()))
        if (result$visible) print(result$value)
      },
      warning = function(w) {
        warnings <<- c(warnings, conditionMessage(w))
        invokeRestart("muffleWarning")
      }
    ))
    list(printed = sub(" +$", "", printed), warnings = warnings)
  })
}

test_that("every code block of the front pages gives what the page shows", {
  skip_on_cran()
  skip_if_not_installed("callr")
  for (file in pages()) {
    steps <- unlist(lapply(r_blocks(file), steps_of), recursive = FALSE)
    expect_gt(length(steps), 30)
    results <- callr::r(run_steps, list(lapply(steps, `[[`, "expression")), libpath = .libPaths(), timeout = 300)
    for (i in seq_along(steps)) {
      shown <- steps[[i]]$shown
      warning_at <- match("Warning message:", shown, nomatch = length(shown) + 1L)
      about <- paste(basename(file), paste(deparse(steps[[i]]$expression), collapse = " "))
      output <- shown[seq_len(warning_at - 1L)]
      if (length(output)) expect_identical(results[[i]]$printed, output, info = about)
      warned <- setdiff(trimws(shown[-seq_len(min(warning_at, length(shown)))]), "...")
      expect_identical(length(results[[i]]$warnings) > 0, warning_at <= length(shown), info = about)
      told <- grep("^In ", warned, value = TRUE, invert = TRUE)
      for (line in told) expect_match(results[[i]]$warnings, line, fixed = TRUE, all = FALSE, info = about)
    }
  }
})

test_that("the line that installs what the package needs names all of it", {
  files <- c(pages(), file.path("..", "..", "vignettes", c("multicore.Rmd", "multicore-zh.Rmd")))
  described <- read.dcf(file.path("..", "..", "DESCRIPTION"), c("Imports", "LinkingTo"))
  needed <- trimws(unlist(strsplit(described, ",")))
  needed <- setdiff(needed, rownames(utils::installed.packages(.Library, priority = "base")))
  expect_gt(length(needed), 2)
  for (file in files) {
    line <- grep("^install.packages\\(c\\(", readLines(file, encoding = "UTF-8"), value = TRUE)
    expect_length(line, 1)
    expect_setequal(eval(str2lang(line)[[2]]), needed)
  }
})
