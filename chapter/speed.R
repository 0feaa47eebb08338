# Draws figures of vignettes/bench.csv as bars, in vignettes/figures: a part of `make figures`. Each picture is drawn twice, with
# English words and with Chinese ones (NAME-zh.svg).

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

# -- Words ------------------------------------------------------------------------------------

# `full` is the length of the longest bar, which leaves room for its time; `tick` is how far apart the scale's words must be.
english <- list(full = 182, tick = 52, units = c("µs", "ms", "s"), ours = "our %s", others = character())
chinese <- list(
  full = 166, tick = 64, units = c("微秒", "毫秒", "秒"), ours = "本包 %s",
  others = c(
    "fork cluster" = "fork 集群", "PSOCK" = "PSOCK 集群", "mirai, no dispatcher" = "mirai（无调度进程）",
    "Python (fork)" = "Python（fork）", "BiocParallel (fork)" = "BiocParallel（fork）"
  )
)

words_for <- function(microseconds, words) {
  i <- if (microseconds < 1e3) 1L else if (microseconds < 1e6) 2L else 3L
  sprintf("%.3g %s", microseconds / c(1, 1e3, 1e6)[i], words$units[i])
}

# A contestant's name in a picture; the mark of an earlier day stays.
name_of <- function(who, words) {
  plain <- sub("[*]$", "", who)
  if (!plain %in% names(words$others)) return(who)
  paste0(words$others[[plain]], if (plain != who) "*")
}

# -- Bars -------------------------------------------------------------------------------------

# Bars on a scale of powers of ten if the times differ by more than a hundred, else from zero.
draw_bars <- function(file, title, ours, others, earlier, words) {
  times <- c(ours, others)
  wide <- max(times) / min(times) > 100
  width <- if (wide) {
    lowest <- floor(log10(min(times)))
    (log10(times) - lowest) / (log10(max(times)) - lowest)
  } else {
    times / max(times)
  }
  names(times) <- c(sprintf(words$ours, names(ours)), vapply(names(others), name_of, "", words))
  left <- 152
  full <- words$full
  shapes <- unlist(lapply(seq_along(times), function(i) {
    y <- 8 + (i - 1) * 27
    is_ours <- i <= length(ours)
    end <- left + max(2, full * width[i])
    c(
      text_at(left - 7, y + 15, names(times)[i], 14, anchor = "end", weight = if (is_ours) "bold" else "normal"),
      box(left, y, end - left, 20, if (is_ours) "busy" else "idle", 3),
      text_at(end + 6, y + 15, words_for(times[i], words), 14, "small")
    )
  }))
  bottom <- 8 + length(times) * 27
  if (wide) {
    ticks <- seq(lowest, floor(log10(max(times))))
    step <- full / (log10(max(times)) - lowest)
    ticks <- ticks[(ticks - lowest) %% ceiling(words$tick / step) == 0] # so that their words do not touch
    shapes <- c(shapes, vapply(ticks, function(power) {
      text_at(left + step * (power - lowest), bottom + 14, words_for(10^power, words), 13, "small", "middle")
    }, ""))
    bottom <- bottom + 22
  }
  if (length(earlier)) {
    shapes <- c(shapes, text_at(left, bottom + 16, paste("*", paste(earlier, collapse = ", ")), 13, "small"))
    bottom <- bottom + 22
  }
  write_svg(file, 400, bottom + 4, title, shapes)
}

draw_row <- function(name, row, title, title_zh, ...) {
  found <- tryCatch(contestants(row, ...), error = function(e) NULL)
  if (is.null(found)) {
    message("vignettes/bench.csv has no figures of \"", row, "\": ", name, " stays as it is")
    return(invisible())
  }
  draw_bars(paste0(name, ".svg"), title, found$ours, found$others, found$earlier, english)
  draw_bars(paste0(name, "-zh.svg"), title_zh, found$ours, found$others, found$earlier, chinese)
}

draw_row(
  "speed-task", "one trivial task and its answer, running pool of 1",
  "One trivial task and its answer", "执行一个很小的任务并取回结果"
)
draw_row(
  "speed-many", "10,000 trivial tasks, 2 workers, default chunks, per task",
  "10,000 trivial tasks on two workers, per task", "两个工作进程执行一万个小任务，平均每个任务的时间", "mclapply"
)
draw_row(
  "speed-results", "4 results of 100 MB each, 2 workers",
  "Four results of 100 MB on two workers", "两个工作进程返回四个 100 MB 的结果", "mclapply"
)
draw_row(
  "speed-matrix", "a 400 MB matrix read by 4 tasks, running pool of 2, first time",
  "A matrix of 400 MB, read by four tasks on two workers", "两个工作进程的四个任务读取一个 400 MB 的矩阵"
)
draw_row(
  "speed-start", "start 2 workers and one call",
  "Start two workers and make one call", "启动两个工作进程并调用一次", "mclapply"
)
draw_row(
  "speed-smallest", "smallest job for which 2 workers beat lapply",
  "The smallest job for which two workers beat lapply()", "两个工作进程快于 lapply() 的最小任务", "mclapply"
)
