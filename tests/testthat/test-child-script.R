# Children of a script find what the script has defined, however R was told to run it. Python's spawned processes import the main
# module again, and need a guard in it; ours are sent what they need, so no line of a script runs twice.

script_lines <- c(
  sprintf("library(multiprocessing, lib.loc = %s)", deparse1(package_library())),
  "cat('begins\\n')",
  "offset <- 100",
  "helper <- function(x) x + offset",
  "compute <- function(x) helper(x) * 2",
  "for (method in get_all_start_methods()) {",
  "  pool <- Pool(1, context = method)",
  "  cat(unlist(pool$map(compute, 1:3)), '\\n')",
  "  pool$terminate()",
  "  cat(Process(compute, list(4), context = method)$start()$value(), '\\n')",
  "  executor <- ProcessPoolExecutor(1, context = method)",
  "  cat(executor$submit(compute, 5)$result(), '\\n')",
  "  executor$shutdown()",
  "}"
)
expected_lines <- c("begins", rep(c("202 204 206 ", "208 ", "210 "), length(get_all_start_methods())))

# Each: the command, of R's folder `bin`, the file and the folder in which it lies
ways_to_run <- list(
  `Rscript FILE` = function(bin, file) sprintf("%s/Rscript --vanilla %s", bin, file),
  `Rscript -e` = function(bin, file) sprintf("%s/Rscript --vanilla -e %s", bin, shQuote(sprintf("source('%s')", file))),
  `R -f FILE` = function(bin, file) sprintf("%s/R --vanilla --no-echo -f %s", bin, file),
  `R < FILE` = function(bin, file) sprintf("%s/R --vanilla --no-echo < %s", bin, file),
  `R from a pipe` = function(bin, file) sprintf("cat %s | %s/R --vanilla --no-echo", file, bin),
  `a file whose name has a space` = function(bin, file) sprintf("cp %s '%s x.R' && %s/Rscript --vanilla '%s x.R'", file, file, bin, file),
  `a folder of its own` = function(bin, file) sprintf("cd %s && %s/Rscript --vanilla ./%s", dirname(file), bin, basename(file)),
  `sys.source()` = function(bin, file) sprintf("%s/Rscript --vanilla -e %s", bin, shQuote(sprintf("sys.source('%s', globalenv())", file))),
  `a local environment` = function(bin, file) sprintf("%s/Rscript --vanilla -e %s", bin, shQuote(sprintf("f <- function() source('%s', local = TRUE); f()", file)))
)

for (way in names(ways_to_run)) {
  test_that(paste("children of a script see its functions and run no line of it:", way), {
    skip_on_cran()
    folder <- tempfile("script")
    dir.create(folder)
    on.exit(unlink(folder, recursive = TRUE))
    file <- file.path(folder, "main.R")
    writeLines(script_lines, file)
    command <- ways_to_run[[way]](R.home("bin"), file)
    said <- suppressWarnings(system2("sh", c("-c", shQuote(command)), stdout = TRUE, timeout = 120))
    expect_null(attr(said, "status"))
    expect_identical(grep("^(begins|[0-9])", said, value = TRUE), expected_lines)
  })
}
