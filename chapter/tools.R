# What the code of the pages uses besides the package itself. While a page runs, `figures` is the folder for its pictures,
# and `checking` is TRUE when its output is only compared.

fence <- function(language, lines) cat("```", language, "\n", paste(lines, collapse = "\n"), "\n```\n\n", sep = "")

# Shows a program file of the page, runs it as a reader would, and shows what it printed.
program <- function(file, varies = FALSE, run = TRUE) {
  is_python <- grepl("[.]py$", file)
  cat("\n\n**", file, "**\n\n", sep = "")
  fence(if (is_python) "python" else "r", readLines(file, encoding = "UTF-8"))
  if (!run) return(invisible())
  command <- if (is_python) Sys.which("python3") else file.path(R.home("bin"), "Rscript")
  if (!nzchar(command)) stop("python3 is needed to record this page")
  printed <- system2(command, file, stdout = TRUE, stderr = TRUE, env = "PYTHONUNBUFFERED=1", timeout = 300)
  status <- attr(printed, "status")
  if (!is.null(status) && status != 0) stop(file, " failed:\n", paste(printed, collapse = "\n"))
  if (!length(printed)) return(invisible())
  if (varies) cat("<!-- varies -->\n\n")
  fence("text", printed)
  if (varies) cat("<!-- end -->\n\n")
}

# What the package says to each of `codes`, evaluated in turn, and what to write instead. What gives no error has its text
# in `silent`, by its number.
show_mistakes <- function(codes, instead, silent = character(), envir = parent.frame()) {
  cat("<!-- varies -->\n\n")
  for (i in seq_along(codes)) {
    cat(sprintf("**%d.** `%s` → %s\n\n", i, codes[i], instead[i]))
    said <- tryCatch(
      {
        utils::capture.output(eval(parse(text = codes[i]), envir))
        NULL
      },
      error = function(e) paste0(class(e)[1], ": ", conditionMessage(e))
    )
    if (is.null(said) != (i %in% names(silent))) stop("mistake ", i, " gives something else now: ", said)
    if (is.null(said)) cat(silent[[as.character(i)]], "\n\n", sep = "") else fence("text", strwrap(said, 88))
  }
  cat("<!-- end -->\n\n")
}

# -- Measurements -----------------------------------------------------------------------------

# A figure that a quiet machine cannot give is a mistake of the measurement: it is made again, and refused the third time.
# When output is only compared, any will do.
until_sane <- function(take, is_sane) {
  for (attempt in 1:3) {
    taken <- take()
    if (checking || isTRUE(is_sane(taken))) return(taken)
  }
  stop("no sane figures in three attempts: record again on a machine that does nothing else")
}

# The same job by one process and by a pool, in turn, the quicker of two runs of each: a moment in which the machine was slow must
# not look like a speed-up. The pool's tasks are timed, for draw_timeline().
compare_runs <- function(alone, together, workers, least) {
  take <- function() {
    one <- many <- NULL
    for (round in seq_len(if (checking) 1L else 2L)) {
      one <- quicker(one, measure(alone()))
      many <- quicker(many, measure(together()))
    }
    list(one = one, many = many, speedup = one$seconds / many$seconds)
  }
  until_sane(take, function(runs) runs$speedup >= least && runs$speedup <= 1.3 * workers)
}

quicker <- function(run, other) if (is.null(run) || other$seconds < run$seconds) other else run

# -- Measured pictures ------------------------------------------------------------------------

# Every task of a job with its worker and its time: timed(f) notes them, draw_timeline() draws them.
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
  left <- 76
  scale <- (400 - left - 20) / span
  shapes <- unlist(lapply(seq_along(runs), function(i) {
    x <- left + (start[i] - zero) * scale
    width <- max(1, (end[i] - start[i]) * scale - 1)
    c(
      box(x, 12 + (row[i] - 1) * 46, width, 32, "busy", 3),
      if (width > 9 * nchar(labels[i]) + 6) {
        sub('class=""', 'class="on"', text_at(x + width / 2, 33 + (row[i] - 1) * 46, labels[i], 14, anchor = "middle"))
      }
    )
  }))
  bottom <- 12 + max(row) * 46
  ticks <- pretty(c(0, span), 4)
  ticks <- ticks[ticks <= span]
  write_svg(file, 400, bottom + 28, title, c(
    "<style>.on { fill: #ffffff; } @media (prefers-color-scheme: dark) { .on { fill: #0d1117; } }</style>",
    vapply(seq_len(max(row)), function(r) text_at(4, 33 + (r - 1) * 46, sprintf(worker, r), 15), ""),
    shapes,
    unlist(lapply(ticks, function(t) {
      text_at(left + t * scale, bottom + 18, sprintf(seconds, t), 14, "small", if (t == 0) "start" else "middle")
    }))
  ))
}

# How busy each core was: a row of bars for each run. `runs`: named list of numbers in percent.
draw_busy <- function(file, title, runs) {
  rows <- lengths(runs)
  y <- 12
  shapes <- character()
  for (name in names(runs)) {
    shapes <- c(shapes, text_at(4, y + 15, name, 15, weight = "bold"))
    y <- y + 26
    for (i in seq_along(runs[[name]])) {
      busy <- runs[[name]][i]
      shapes <- c(
        shapes, text_at(4, y + 13, names(runs[[name]])[i], 14, "small"), box(52, y, 290, 16, "track", 3),
        if (busy >= 0.5) box(52, y, 2.9 * busy, 16, if (busy > 25) "busy" else "idle", 3),
        text_at(349, y + 13, sprintf("%.0f %%", busy), 14, "small")
      )
      y <- y + 22
    }
    y <- y + 10
  }
  write_svg(file, 400, y + 4, title, shapes)
}
