# The figures of vignettes/bench.csv for the text of the pages. `bench/run_all.R` writes the file.

bench <- utils::read.csv("bench.csv", encoding = "UTF-8")

# The median of one contestant in one job, in seconds or bytes
figure_of <- function(work, who = "multiprocessing") {
  found <- bench$median[bench$work == work & bench$who == who]
  if (length(found) != 1L) stop("bench.csv has no figure of ", who, " for \"", work, "\": run bench/run_all.R with all peers installed")
  found
}

# The same for a reader: two digits and a unit. `units`: of microseconds, milliseconds, seconds
time_of <- function(work, who = "multiprocessing", units = c("\u00b5s", "ms", "s")) {
  seconds <- figure_of(work, who)
  i <- if (seconds < 1e-3) 1L else if (seconds < 1) 2L else 3L
  paste(format(signif(seconds * c(1e6, 1e3, 1)[i], 2), scientific = FALSE), units[i])
}

# "0.8 times"
times_of <- function(work, who, than) format(signif(figure_of(work, who) / figure_of(work, than), 2))

job <- c(
  task = "one trivial task and its answer, running pool of 1",
  many = "10,000 trivial tasks, 2 workers, default chunks, per task",
  one_by_one = "10,000 trivial tasks, 2 workers, one at a time (chunksize 1), per task",
  fresh_loop = "8 tasks on 2 workers, a loop that has not run yet",
  results = "4 results of 100 MB each, 2 workers",
  shared = "a share()d 400 MB matrix read by 4 tasks, running pool of 2",
  start = "start 2 workers and one call",
  in_0_gb = "2 workers and one call with 0 GB in the session",
  in_1_gb = "2 workers and one call with 1 GB in the session",
  in_4_gb = "2 workers and one call with 4 GB in the session"
)
