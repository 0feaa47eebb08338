# What the code of the pages uses besides the package itself. While a page runs, `figures` is the folder for its pictures,
# and `checking` is TRUE when its output is only compared.

fence <- function(language, lines) cat("```", language, "\n", paste(lines, collapse = "\n"), "\n```\n\n", sep = "")

# Shows a program file of the page, runs it as a reader would, and shows what it printed.
program <- function(file, varies = FALSE) {
  is_python <- grepl("[.]py$", file)
  fence(if (is_python) "python" else "r", readLines(file, encoding = "UTF-8"))
  command <- if (is_python) Sys.which("python3") else file.path(R.home("bin"), "Rscript")
  if (!nzchar(command)) stop("python3 is needed to record this page")
  printed <- system2(command, file, stdout = TRUE, stderr = TRUE, env = "PYTHONUNBUFFERED=1", timeout = 300)
  status <- attr(printed, "status")
  if (!is.null(status) && status != 0) stop(file, " failed:\n", paste(printed, collapse = "\n"))
  if (varies) cat("<!-- varies -->\n\n")
  fence("text", printed)
  if (varies) cat("<!-- end -->\n\n")
}

# A speed-up that a quiet machine cannot give is a mistake of the measurement: nothing is recorded then.
demand_speedup <- function(speedup, workers, least) {
  if (!checking && (speedup < least || speedup > 1.3 * workers)) {
    stop(sprintf("a speed-up of %.2f with %d workers: measure again on a machine that does nothing else", speedup, workers))
  }
  invisible(speedup)
}

# -- Measured pictures ------------------------------------------------------------------------

# Every task of a job with its worker and its time: wrap(f) notes them, timeline() draws them.
timed <- function(f) {
  force(f)
  function(...) {
    start <- as.numeric(Sys.time())
    value <- f(...)
    list(value = value, pid = Sys.getpid(), start = start, end = as.numeric(Sys.time()))
  }
}

# One row for each worker, one bar for each task. `labels`: of the tasks, in their order.
draw_timeline <- function(file, title, runs, labels, worker = "worker %d", seconds = "%g s") {
  start <- vapply(runs, `[[`, numeric(1), "start")
  end <- vapply(runs, `[[`, numeric(1), "end")
  pid <- vapply(runs, `[[`, numeric(1), "pid")
  zero <- min(start)
  span <- max(end) - zero
  row <- match(pid, unique(pid[order(start)]))
  left <- 110
  scale <- (852 - left - 16) / span
  shapes <- unlist(lapply(seq_along(runs), function(i) {
    x <- left + (start[i] - zero) * scale
    width <- max(1, (end[i] - start[i]) * scale - 1)
    c(
      box(x, 12 + (row[i] - 1) * 46, width, 32, "busy", 3),
      if (width > 9 * nchar(labels[i]) + 4) {
        sub('class=""', 'class="on"', text_at(x + width / 2, 33 + (row[i] - 1) * 46, labels[i], 13, anchor = "middle"))
      }
    )
  }))
  bottom <- 12 + max(row) * 46
  ticks <- pretty(c(0, span), 6)
  ticks <- ticks[ticks <= span]
  write_svg(file, 852, bottom + 28, title, c(
    "<style>.on { fill: #ffffff; } @media (prefers-color-scheme: dark) { .on { fill: #0d1117; } }</style>",
    vapply(seq_len(max(row)), function(r) text_at(8, 33 + (r - 1) * 46, sprintf(worker, r), 14), ""),
    shapes,
    unlist(lapply(ticks, function(t) {
      text_at(left + t * scale, bottom + 18, sprintf(seconds, t), 12.5, "small", if (t == 0) "start" else "middle")
    }))
  ))
}

# How busy each core was: a row of bars for each run. `runs`: named list of numbers in percent.
draw_busy <- function(file, title, runs) {
  rows <- lengths(runs)
  y <- 12
  shapes <- character()
  for (name in names(runs)) {
    shapes <- c(shapes, text_at(8, y + 15, name, 14, weight = "bold"))
    y <- y + 26
    for (i in seq_along(runs[[name]])) {
      busy <- runs[[name]][i]
      shapes <- c(
        shapes, text_at(8, y + 13, names(runs[[name]])[i], 12.5, "small"), box(70, y, 700, 16, "track", 3),
        if (busy >= 0.5) box(70, y, 7 * busy, 16, if (busy > 25) "busy" else "idle", 3),
        text_at(780, y + 13, sprintf("%.0f %%", busy), 12.5, "small")
      )
      y <- y + 22
    }
    y <- y + 10
  }
  write_svg(file, 852, y + 4, title, shapes)
}

# The functions that an example program defines, without running the program
define_functions <- function(file, envir = parent.frame()) {
  path <- system.file("examples", file, package = "multiprocessing", mustWork = TRUE)
  for (part in parse(path, keep.source = FALSE)) {
    is_function <- is.call(part) && identical(part[[1]], quote(`<-`)) && is.call(part[[3]]) &&
      identical(part[[3]][[1]], quote(`function`))
    if (is_function) eval(part, envir)
  }
}
