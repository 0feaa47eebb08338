# What every benchmark script shares: which packages take part, how a fair comparison runs, how a table and
# its verdicts are printed and drawn. Source it; it defines functions only, except for the lists of
# results and verdicts.
#
#   contestant("PSOCK", setup = ..., run = ..., stop = ...)   one way of doing the work
#   compare("one task", unit = "us", contestants)             alternating rounds, table of medians
#   must_be(result, peer = "PSOCK", ratio = 0.1)              one PASS/FAIL line
#   finish()                                                  all lines; exit status 1 if one FAILs
#   --plots=FOLDER on the command line                        finish() draws the tables, too
#   --results=FILE                                            and puts their figures into this CSV file
#   --tables=FILE                                             and the tables into this page, under the script's name

OURS <- "multiprocessing"
.bench <- new.env()
.bench$verdicts <- list()
.bench$results <- list()

# ---- which are here ---------------------------------------------------------------------------------

has <- function(package) requireNamespace(package, quietly = TRUE)

#' An exported function of ours, NULL when the package (or the function) is not there.
ours <- function(name) {
  if (!has(OURS) || !name %in% getNamespaceExports(OURS)) return(NULL)
  getExportedValue(OURS, name)
}

#' What the command line says for `--name=`; nothing when it does not.
option <- function(name, args = commandArgs(TRUE)) {
  start <- paste0("--", name, "=")
  sub(start, "", args[startsWith(args, start)], fixed = TRUE)
}

this_script <- function() normalizePath(option("file", commandArgs())[1L])
bench_dir <- function() dirname(this_script())

python <- function() Sys.which(Sys.getenv("BENCH_PYTHON", "python3"))[[1L]]

has_python <- function() nzchar(python())

#' R sets LD_LIBRARY_PATH, which may lead a Python to the library of another one.
python_env <- if (.Platform$OS.type == "unix") "LD_LIBRARY_PATH=" else character()

#' One figure from `peer_<script>.py <arguments>`, which prints one number.
python_figure <- function(script, ...) {
  file <- file.path(bench_dir(), paste0("peer_", script, ".py"))
  out <- suppressWarnings(system2(python(), c(shQuote(file), ...), stdout = TRUE, env = python_env))
  status <- attr(out, "status")
  if (!is.null(status)) stop("python3 ended with status ", status, call. = FALSE)
  as.numeric(out[length(out)])
}

#' One figure from R code run in a fresh session, whose last line of output is that number.
fresh_r_figure <- function(code) {
  file <- tempfile(fileext = ".R")
  on.exit(unlink(file))
  prelude <- c(
    sprintf(".libPaths(%s)", paste(deparse(.libPaths()), collapse = "")),
    "f <- function(x) x",
    "now <- function() as.numeric(Sys.time())"
  )
  writeLines(c(prelude, code), file)
  out <- suppressWarnings(system2(file.path(R.home("bin"), "Rscript"), c("--vanilla", file),
    stdout = TRUE, stderr = FALSE))
  figure <- suppressWarnings(as.numeric(out[length(out)]))
  if (length(figure) != 1L || is.na(figure)) stop("the fresh session gave no figure", call. = FALSE)
  figure
}

versions <- function() {
  packages <- c(
    OURS, "parallel", "future", "future.apply", "BiocParallel", "mirai", "callr", "interprocess",
    "bettermc"
  )
  packages <- Filter(has, packages)
  shown <- vapply(packages, function(p) paste(p, as.character(utils::packageVersion(p))), "")
  c(R.version.string, if (has_python()) system2(python(), "--version", stdout = TRUE, env = python_env), shown)
}

#' Rounds of every comparison: `--rounds=9` on the command line, or BENCH_ROUNDS.
asked_rounds <- function(default = 5L) {
  as.integer(c(option("rounds"), Sys.getenv("BENCH_ROUNDS", as.character(default)))[1L])
}

# ---- is the machine quiet? -----------------------------------------------------------------------

#' Share of all cores that was busy while this process slept for a moment; NA where the system does not tell.
busy_share <- function(seconds = 0.25) {
  if (!file.exists("/proc/stat")) return(NA_real_)
  ticks <- function() as.numeric(strsplit(readLines("/proc/stat", 1L), " +")[[1L]][2:9])
  before <- ticks()
  Sys.sleep(seconds)
  spent <- ticks() - before
  1 - sum(spent[4:5]) / sum(spent)
}

#' Waits until the others leave the cores alone, at most BENCH_PATIENCE seconds (20) per round.
#' Gives the busy share at which the round starts.
wait_for_quiet <- function(quiet = 0.12) {
  patience <- as.numeric(Sys.getenv("BENCH_PATIENCE", "20"))
  end <- Sys.time() + patience
  repeat {
    busy <- busy_share()
    if (is.na(busy) || busy <= quiet || Sys.time() > end) return(busy)
    Sys.sleep(0.5)
  }
}

load_average <- function() {
  if (!file.exists("/proc/loadavg")) return("unknown")
  sub("^(\\S+ \\S+).*", "\\1", readLines("/proc/loadavg", 1L))
}

# ---- measuring -----------------------------------------------------------------------------------

now <- function() as.numeric(Sys.time())

elapsed <- function(f) {
  start <- now()
  f()
  now() - start
}

#' Seconds per call of `f`: the median of some batches, each long enough for the clock.
time_per <- function(f, total = 0.5, batches = 7L) {
  one <- elapsed(f)
  if (one < total) one <- max(elapsed(f), 1e-8)
  n <- max(1L, as.integer(min(total / batches / one, 1e6)))
  if (one > total / 2) batches <- 3L
  stats::median(vapply(seq_len(batches), function(b) {
    elapsed(function() for (i in seq_len(n)) f()) / n
  }, 0))
}

#' One way of doing the work. `run(state)` gives the figure; `setup` and `stop` are not timed.
contestant <- function(name, run, setup = function() NULL, stop = function(state) NULL, when = TRUE,
                       rounds = NULL) {
  list(name = name, run = run, setup = setup, stop = stop, when = isTRUE(when), rounds = rounds)
}

measure <- function(one) {
  setTimeLimit(elapsed = 120, transient = TRUE)
  on.exit(setTimeLimit())
  state <- one$setup()
  on.exit(one$stop(state), add = TRUE)
  one$run(state)
}

#' All contestants in turn, round after round, so that drift and noise meet each alike.
compare <- function(work, unit, contestants, rounds = NULL) {
  if (is.null(rounds)) rounds <- asked_rounds()
  contestants <- Filter(function(one) one$when, contestants)
  names(contestants) <- vapply(contestants, `[[`, "", "name")
  figures <- lapply(contestants, function(one) numeric())
  busy <- numeric()
  for (round in seq_len(rounds)) {
    busy <- c(busy, wait_for_quiet())
    for (one in contestants) {
      if (!is.null(one$rounds) && round > one$rounds) next
      figure <- tryCatch(measure(one), error = function(e) {
        message("  ", one$name, " failed: ", conditionMessage(e))
        NA_real_
      })
      figures[[one$name]] <- c(figures[[one$name]], figure)
      invisible(gc())
    }
  }
  result <- list(work = work, unit = unit, figures = figures, busy = busy)
  .bench$results <- c(.bench$results, list(result))
  print_table(result)
  invisible(result)
}

is_ours <- function(who) grepl("^(multiprocessing$|ours, |our core)", who)

medians <- function(result) vapply(result$figures, stats::median, 0, na.rm = TRUE)

# ---- showing -------------------------------------------------------------------------------------

scale_of <- c(us = 1e6, ms = 1e3, s = 1, "GB/s" = 1, MB = 1e-6)

show_figure <- function(value, unit) {
  digits <- formatC(value * scale_of[[unit]], digits = 3, format = "fg", big.mark = ",")
  ifelse(is.finite(value), paste(trimws(digits), unit), "-")
}

heading <- function(title) {
  cat("\n== ", title, " ==\n", sep = "")
  cat(strwrap(paste(versions(), collapse = ", "), 110), sep = "\n")
  cat(sprintf("%s, %d cores, load average %s\n", format(Sys.time(), "%Y-%m-%d %H:%M"),
    parallel::detectCores(), load_average()))
}

print_table <- function(result) {
  middle <- medians(result)
  mine <- if (OURS %in% names(middle)) middle[[OURS]] else NA_real_
  range <- vapply(result$figures, function(x) {
    if (all(is.na(x))) return("-")
    paste(show_figure(range(x, na.rm = TRUE), result$unit), collapse = " .. ")
  }, "")
  ratio <- ifelse(is.finite(mine / middle), formatC(mine / middle, digits = 3, format = "fg"), "-")
  table <- data.frame(
    who = names(middle), median = show_figure(middle, result$unit), range = range,
    `ours / it` = ratio, rounds = lengths(result$figures), check.names = FALSE
  )
  cat("\n", result$work, "\n", sep = "")
  lines <- utils::capture.output(print(table, row.names = FALSE, right = FALSE))
  cat(paste0("  ", lines), sep = "\n")
  others <- result$busy[!is.na(result$busy)]
  if (length(others)) {
    cat(sprintf("  cores busy with other work before the rounds: median %.0f %%, most %.0f %%%s\n",
      100 * stats::median(others), 100 * max(others),
      if (too_busy(others)) "  ** LOADED MACHINE: do not quote **" else ""))
  }
}

#' How busy other work may keep the cores, at the median round, for figures that are written: BENCH_BUSY, 0.12.
too_busy <- function(busy) isTRUE(stats::median(busy, na.rm = TRUE) > as.numeric(Sys.getenv("BENCH_BUSY", "0.12")))

#' Whether `file` keeps what it has, since other work kept the machine busy; says so.
is_kept <- function(file, results) {
  busy <- too_busy(unlist(lapply(results, `[[`, "busy")))
  if (busy) message(file, " stays as it is: other programs keep this machine busy")
  busy
}

#' One PASS/FAIL line: against a peer (`ratio`), or against a figure (`at_most`, `at_least`, in
#' seconds or GB/s).
must_be <- function(result, peer = NULL, ratio = NULL, at_most = NULL, at_least = NULL,
                    who = OURS) {
  what <- result$work
  middle <- medians(result)
  unit <- result$unit
  mine <- if (who %in% names(middle)) middle[[who]] else NULL
  theirs <- if (!is.null(peer) && peer %in% names(middle)) middle[[peer]] else NULL
  limit <- if (!is.null(ratio)) {
    sprintf("must be <= %g x %s", ratio, peer)
  } else if (!is.null(at_most)) {
    paste("must be <=", show_figure(at_most, unit))
  } else {
    paste("must be >=", show_figure(at_least, unit))
  }
  short <- function(word, more = "") {
    paste0(if (who != OURS) paste0(who, " "), sub("must be ", "", limit), ": ", bold(word), more)
  }
  if (is.null(mine)) {
    return(verdict("SKIP", what, paste0(who, " is not installed; ", limit), short("SKIP")))
  }
  said <- paste(who, show_figure(mine, unit))
  if (!is.null(peer)) {
    if (is.null(theirs)) {
      return(verdict("SKIP", what, paste0(said, "; ", peer, " is not here; ", limit), short("SKIP")))
    }
    said <- sprintf("%s, %s %s, ratio %.3g", said, peer, show_figure(theirs, unit), mine / theirs)
    ok <- mine <= ratio * theirs
  } else {
    ok <- if (!is.null(at_most)) mine <= at_most else mine >= at_least
  }
  word <- if (isTRUE(ok)) "PASS" else "FAIL"
  verdict(word, what, paste0(said, "; ", limit), short(word, if (is.null(peer)) "" else sprintf(" %.3g", mine / theirs)))
}

bold <- function(word) if (word == "SKIP") word else sprintf("**%s**", word)

#' `short` is what the table of bench/README.md says beside the work `what`.
verdict <- function(word, what, said, short = sprintf("%s: %s", said, bold(word))) {
  .bench$verdicts <- c(.bench$verdicts, list(list(word = word, what = what, said = said, short = short)))
  invisible(word)
}

#' One row per contestant: its median and its range, on a logarithmic axis; differences, which may be negative, on a linear one.
plot_table <- function(result) {
  scale <- scale_of[[result$unit]]
  figures <- lapply(result$figures, function(x) scale * x[is.finite(x)])
  signed <- any(unlist(figures) < 0)
  if (!signed) figures <- lapply(figures, function(x) x[x > 0])
  figures <- figures[lengths(figures) > 0L]
  rows <- seq_along(figures)
  colour <- ifelse(grepl("^(multiprocessing|our)", names(figures)), "#b2182b", "#444444")
  graphics::plot(range(unlist(figures)), range(rows), type = "n", log = if (signed) "" else "x", yaxt = "n", bty = "n",
    ylim = c(length(rows) + 0.5, 0.5), xlab = "", ylab = "", main = result$work)
  graphics::mtext(result$unit, side = 1L, line = 1.8, cex = 0.8)
  graphics::abline(h = rows, col = "grey90")
  graphics::axis(2L, rows, names(figures), las = 1L, tick = FALSE)
  ends <- vapply(figures, range, c(0, 0))
  graphics::segments(ends[1L, ], rows, ends[2L, ], rows, col = colour, lwd = 2)
  graphics::points(vapply(figures, stats::median, 0), rows, col = colour, pch = 19L)
}

#' The tables of this script, one below the other, as FOLDER/<script>.png.
plot_tables <- function(folder, results = .bench$results) {
  results <- Filter(function(r) any(is.finite(unlist(r$figures))), results)
  if (!length(results) || !capabilities("cairo") || is_kept(folder, results)) return(invisible())
  dir.create(folder, showWarnings = FALSE, recursive = TRUE)
  file <- file.path(folder, sub("[.]R$", ".png", basename(this_script())))
  heights <- 75 + 16 * vapply(results, function(r) length(r$figures), 0L)
  grDevices::png(file, 720, sum(heights), pointsize = 11, type = "cairo", antialias = "none")
  on.exit(grDevices::dev.off())
  graphics::layout(matrix(seq_along(results)), heights = heights)
  graphics::par(mar = c(3, 13, 2, 1), mgp = c(2, 0.6, 0), cex = 1, cex.main = 1, cex.axis = 0.9)
  for (result in results) plot_table(result)
}

#' The tables' figures in place of what `file` holds of this script: seconds, bytes or GB/s, `unit` for showing them. A peer that
#' gave no figure now, as it is not installed, keeps its earlier ones with their date.
save_results <- function(file, results = .bench$results, script = sub("[.]R$", "", basename(this_script()))) {
  if (is_kept(file, results)) return(invisible())
  rows <- do.call(rbind, lapply(results, function(result) {
    figures <- Filter(length, lapply(result$figures, function(x) x[is.finite(x)]))
    if (!length(figures)) return(NULL)
    numbers <- vapply(figures, function(x) signif(c(stats::median(x), range(x)), 4), numeric(3))
    data.frame(
      script = script, work = result$work, who = names(figures),
      median = numbers[1L, ], low = numbers[2L, ], high = numbers[3L, ], unit = result$unit, date = format(Sys.Date())
    )
  }))
  if (is.null(rows)) return(invisible())
  before <- if (file.exists(file)) utils::read.csv(file, encoding = "UTF-8") else rows[0L, ]
  now <- paste(rows$work, rows$who)
  absent <- before$script == script & before$work %in% rows$work & !paste(before$work, before$who) %in% now &
    !is_ours(before$who)
  if (any(absent)) {
    message(file, " keeps earlier figures of ", toString(unique(before$who[absent])), ": no figure of them in this run")
  }
  # a job's rows stay together, what was kept last
  of_script <- rbind(rows, before[absent, ])
  of_script <- of_script[order(match(of_script$work, unique(rows$work))), ]
  utils::write.csv(rbind(before[before$script != script, ], of_script), file, row.names = FALSE, na = "")
}

#' What the command line asks for: pictures, figures, tables. `busy`: of measurements without compare().
save_all <- function(busy) {
  if (too_busy(busy)) {
    message("nothing is written: other programs keep this machine busy")
    return(invisible())
  }
  failed <- Filter(function(result) anyNA(unlist(result$figures[is_ours(names(result$figures))])), .bench$results)
  if (length(failed)) {
    message("nothing is written: ours failed in ", toString(vapply(failed, `[[`, "", "work")))
    return(invisible())
  }
  if (length(option("plots"))) plot_tables(option("plots"))
  if (length(option("results"))) save_results(option("results"))
  if (length(option("tables"))) {
    source(file.path(bench_dir(), "tables.R"), local = TRUE)
    save_tables(option("tables"), .bench$results, .bench$verdicts, basename(this_script()))
  }
}

finish <- function(busy = numeric()) {
  unlink(Sys.glob(sprintf("/dev/shm/bmc_%d_*", Sys.getpid()))) # bettermc leaves a file for each result
  save_all(busy)
  lines <- vapply(.bench$verdicts, function(v) sprintf("%s %s: %s", v$word, v$what, v$said), "")
  cat("\n")
  cat(lines, sep = "\n")
  cat("\n")
  quit(status = if (any(startsWith(lines, "FAIL"))) 1L else 0L)
}
