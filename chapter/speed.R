# Draws figures of vignettes/bench.csv as bars, in vignettes/figures: a part of `make figures`.

source("chapter/svg.R")
figures <- "vignettes/figures"

# -- The figures of bench/run_all.R -----------------------------------------------------------

bench <- read.csv("vignettes/bench.csv", encoding = "UTF-8")

# Names and microseconds of one job: ours first, then the others from fast to slow. A peer that was missing when ours was
# measured last has its figures of an earlier day, and a mark; `earlier` is that day.
contestants <- function(job, more_of_ours = character()) {
  rows <- bench[bench$work == job, ]
  old <- !rows$date %in% rows$date[rows$who == "multiprocessing"]
  times <- setNames(rows$median * 1e6, paste0(rows$who, ifelse(old, "*", "")))
  if (!"multiprocessing" %in% rows$who) return(NULL)
  ours <- c(Pool = times[["multiprocessing"]])
  for (name in more_of_ours) ours[name] <- times[[paste0("ours, ", name)]]
  others <- sort(times[!grepl("^(multiprocessing$|ours, |our core)", names(times))])
  list(ours = ours, others = others, earlier = sort(unique(rows$date[old])))
}

# -- Bars -------------------------------------------------------------------------------------

words_for <- function(microseconds) {
  if (microseconds >= 1e6) return(sprintf("%.3g s", microseconds / 1e6))
  if (microseconds >= 1e3) return(sprintf("%.3g ms", microseconds / 1e3))
  sprintf("%.3g \u00b5s", microseconds)
}

# Bars on a scale of powers of ten if the times differ by more than a hundred, else from zero.
draw_bars <- function(file, title, ours, others, earlier = character()) {
  times <- c(ours, others)
  wide <- max(times) / min(times) > 100
  width <- if (wide) {
    lowest <- floor(log10(min(times)))
    (log10(times) - lowest) / (log10(max(times)) - lowest)
  } else {
    times / max(times)
  }
  names(times)[seq_along(ours)] <- paste("our", names(ours))
  left <- 152
  full <- 182
  shapes <- unlist(lapply(seq_along(times), function(i) {
    y <- 8 + (i - 1) * 27
    is_ours <- i <= length(ours)
    end <- left + max(2, full * width[i])
    c(
      text_at(left - 7, y + 15, names(times)[i], 14, anchor = "end", weight = if (is_ours) "bold" else "normal"),
      box(left, y, end - left, 20, if (is_ours) "busy" else "idle", 3),
      text_at(end + 6, y + 15, words_for(times[i]), 14, "small")
    )
  }))
  bottom <- 8 + length(times) * 27
  if (wide) {
    ticks <- seq(lowest, floor(log10(max(times))))
    step <- full / (log10(max(times)) - lowest)
    ticks <- ticks[(ticks - lowest) %% ceiling(52 / step) == 0] # so that their words do not touch
    shapes <- c(shapes, vapply(ticks, function(power) {
      text_at(left + step * (power - lowest), bottom + 14, words_for(10^power), 13, "small", "middle")
    }, ""))
    bottom <- bottom + 22
  }
  if (length(earlier)) {
    shapes <- c(shapes, text_at(left, bottom + 16, paste("*", paste(earlier, collapse = ", ")), 13, "small"))
    bottom <- bottom + 22
  }
  write_svg(file, 400, bottom + 4, title, shapes)
}

draw_row <- function(file, title, row, ...) {
  found <- tryCatch(contestants(row, ...), error = function(e) NULL)
  if (is.null(found)) {
    message("vignettes/bench.csv has no figures of \"", row, "\": ", file, " stays as it is")
    return(invisible())
  }
  draw_bars(file, title, found$ours, found$others, found$earlier)
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
