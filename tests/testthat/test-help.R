# A help page leads on to others, is found by other words than its name, and shows how things are used.
test_that("every help page has a See Also, words to search by, and examples", {
  folder <- file.path("..", "..", "man")
  skip_if_not(dir.exists(folder), "the sources of the help pages are not in the installed package")
  for (file in list.files(folder, "[.]Rd$", full.names = TRUE)) {
    lines <- readLines(file, encoding = "UTF-8")
    for (part in c("\\seealso{", "\\concept{", "\\examples{")) {
      expect_true(any(startsWith(lines, part)), info = paste(basename(file), part))
    }
  }
})

test_that("no line of an example is too wide for the printed manual", {
  folder <- file.path("..", "..", "man")
  skip_if_not(dir.exists(folder), "the sources of the help pages are not in the installed package")
  for (file in list.files(folder, "[.]Rd$", full.names = TRUE)) {
    example <- tempfile()
    tools::Rd2ex(file, example)
    lines <- grep("^###", readLines(example, encoding = "UTF-8"), invert = TRUE, value = TRUE)
    expect_lte(max(nchar(lines)), 100, label = basename(file))
  }
})
