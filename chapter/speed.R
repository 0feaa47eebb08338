# Draws figures of vignettes/bench.csv as bars, in vignettes/figures: a part of `make figures`.

source("chapter/svg.R")
figures <- "vignettes/figures"

# -- The figures of bench/run_all.R -----------------------------------------------------------

bench <- read.csv("vignettes/bench.csv", encoding = "UTF-8")

# Names and microseconds of one job: ours first, then the others from fast to slow.
contestants <- function(job, more_of_ours = character()) {
  rows <- bench[bench$work == job, ]
  times <- setNames(rows$median * 1e6, rows$who)
  if (!"multiprocessing" %in% rows$who) return(NULL)
  ours <- c(Pool = times[["multiprocessing"]])
  for (name in more_of_ours) ours[name] <- times[[paste0("ours, ", name)]]
  list(ours = ours, others = sort(times[!grepl("^(multiprocessing$|ours, |our core)", names(times))]))
}

# -- Bars -------------------------------------------------------------------------------------

words_for <- function(microseconds) {
  if (microseconds >= 1e6) return(sprintf("%.3g s", microseconds / 1e6))
  if (microseconds >= 1e3) return(sprintf("%.3g ms", microseconds / 1e3))
  sprintf("%.3g \u00b5s", microseconds)
}

# Bars on a scale of powers of ten if the times differ by more than a hundred, else from zero.
draw_bars <- function(file, title, ours, others) {
  times <- c(ours, others)
  wide <- max(times) / min(times) > 100
  width <- if (wide) {
    lowest <- floor(log10(min(times)))
    (log10(times) - lowest) / (log10(max(times)) - lowest)
  } else {
    times / max(times)
  }
  names(times)[seq_along(ours)] <- paste("multiprocessing", names(ours))
  shapes <- unlist(lapply(seq_along(times), function(i) {
    y <- 8 + (i - 1) * 27
    is_ours <- i <= length(ours)
    c(
      text_at(189, y + 16, names(times)[i], 12.5, anchor = "end", weight = if (is_ours) "bold" else "normal"),
      box(196, y, max(2, 330 * width[i]), 20, if (is_ours) "busy" else "idle", 3),
      text_at(203 + max(2, 330 * width[i]), y + 15, words_for(times[i]), 13, "small")
    )
  }))
  bottom <- 8 + length(times) * 27
  if (wide) {
    ticks <- seq(lowest, floor(log10(max(times))))
    shapes <- c(shapes, vapply(ticks, function(power) {
      x <- 196 + 330 * (power - lowest) / (log10(max(times)) - lowest)
      text_at(x, bottom + 14, words_for(10^power), 12, "small", "middle")
    }, ""))
    bottom <- bottom + 22
  }
  write_svg(file, 600, bottom + 4, title, shapes)
}

draw_row <- function(file, title, row, ...) {
  found <- tryCatch(contestants(row, ...), error = function(e) NULL)
  if (is.null(found)) {
    message("vignettes/bench.csv has no figures of \"", row, "\": ", file, " stays as it is")
    return(invisible())
  }
  draw_bars(file, title, found$ours, found$others)
}

draw_row("speed-task.svg", "One trivial task and its answer", "one trivial task and its answer, running pool of 1")
draw_row(
  "speed-many.svg", "10,000 trivial tasks on two workers, per task",
  "10,000 trivial tasks, 2 workers, default chunks, per task", "mclapply"
)
draw_row("speed-results.svg", "Four results of 100 MB on two workers", "4 results of 100 MB each, 2 workers", "mclapply")
draw_row(
  "speed-matrix.svg", "A matrix of 400 MB, read by four tasks on two workers",
  "a 400 MB matrix read by 4 tasks, running pool of 2, first time"
)
draw_row("speed-start.svg", "Start two workers and make one call", "start 2 workers and one call", "mclapply")
draw_row(
  "speed-smallest.svg", "The smallest job for which two workers beat lapply()",
  "smallest job for which 2 workers beat lapply", "mclapply"
)
