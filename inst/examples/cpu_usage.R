# How busy are the cores? Shared by cores.R and the two real jobs.
#
# Linux counts, for each core, how long it worked and how long it was idle since
# the machine was started: the file /proc/stat. We read it before and after some
# work; the difference says what happened in between. Nothing runs meanwhile.

# One row per core: busy and total time. NULL where there is no /proc/stat.
read_cpu <- function() {
  if (!file.exists("/proc/stat")) {
    return(NULL)
  }
  lines <- grep("^cpu[0-9]+ ", readLines("/proc/stat"), value = TRUE)
  fields <- strsplit(lines, " +")
  # user, nice, system, idle, iowait, irq, softirq, steal
  times <- t(vapply(fields, function(x) as.numeric(x[2:9]), numeric(8)))
  data.frame(
    core = vapply(fields, `[`, "", 1),
    busy = rowSums(times[, c(1, 2, 3, 6, 7), drop = FALSE]),
    total = rowSums(times)
  )
}

# Percent of the time that each core was busy between two readings.
cpu_busy <- function(before, after) {
  if (is.null(before) || is.null(after)) {
    return(NULL)
  }
  # A core may have been switched off in between: keep those in both readings.
  cores <- intersect(before$core, after$core)
  before <- before[match(cores, before$core), ]
  after <- after[match(cores, after$core), ]
  percent <- 100 * (after$busy - before$busy) / (after$total - before$total)
  percent <- ifelse(is.finite(percent), percent, 0)
  setNames(pmin(pmax(percent, 0), 100), cores)
}

# Do some work, and say what came out, how long it took and how busy the cores
# were. R computes an argument when it is first used, so `work` runs in the middle.
measure <- function(work) {
  before <- read_cpu()
  start <- proc.time()[["elapsed"]]
  value <- work
  seconds <- proc.time()[["elapsed"]] - start
  list(value = value, seconds = seconds, busy = cpu_busy(before, read_cpu()))
}

# The picture that htop gives: one bar per core.
print_bars <- function(busy, width = 40, most = 16) {
  if (is.null(busy)) {
    cat("  (this system has no /proc/stat: no picture of its cores)\n")
    return(invisible())
  }
  shown <- busy
  if (length(busy) > most) {
    shown <- busy[sort(order(-busy)[seq_len(most)])]
  }
  filled <- round(shown / 100 * width)
  bars <- paste0(strrep("|", filled), strrep(" ", width - filled))
  cat(sprintf("  %-6s [%s] %3.0f %%\n", names(shown), bars, shown), sep = "")
  if (length(busy) > most) {
    cat(sprintf("  (the %d busiest of %d cores)\n", most, length(busy)))
  }
}

# 1.9 means: as much work as 1.9 cores do when they never rest.
cores_busy <- function(run) {
  if (is.null(run$busy)) "?" else sprintf("%.1f", sum(run$busy) / 100)
}

# The report of a real job. `runs` is a named list of measure()d runs, the first
# is the one to compare with. `rest` was measured while the job did nothing.
print_runs <- function(runs, rest) {
  cat("\nCores busy with other programs before we began:", cores_busy(rest), "\n")
  if (!is.null(rest$busy) && mean(rest$busy) > 25) {
    cat("That is much: the speed-up below says little about this job.\n")
  }
  cat(sprintf("\n%-22s %8s %9s %12s\n", "", "seconds", "speed-up", "cores busy"))
  for (name in names(runs)) {
    run <- runs[[name]]
    speedup <- runs[[1]]$seconds / run$seconds
    cat(sprintf("%-22s %8.2f %9.2f %12s\n", name, run$seconds, speedup, cores_busy(run)))
  }
  for (name in names(runs)) {
    cat("\n", name, ":\n", sep = "")
    print_bars(runs[[name]]$busy)
  }
}
