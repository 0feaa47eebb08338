# How busy is each core, before, during and after a parallel job?
#
# Run it with:  Rscript cores.R

library(multiprocessing)
source(system.file("examples", "cpu_usage.R", package = "multiprocessing"))

# A task that computes for two seconds and says how many rounds it managed.
compute <- function(i) {
  rounds <- 0
  end <- proc.time()[["elapsed"]] + 2
  while (proc.time()[["elapsed"]] < end) {
    sum(sqrt(seq_len(20000)))
    rounds <- rounds + 1
  }
  rounds
}

workers <- cpu_count()
pool <- Pool(workers)

# Four pictures: at rest, one R process as usual, all workers, at rest again.
rest_before <- measure(Sys.sleep(1))
one_process <- measure(compute(1))
all_workers <- measure(pool$map(compute, seq_len(workers), chunksize = 1))
rest_after <- measure(Sys.sleep(1))

pool$close()
pool$join()

pictures <- list(
  before = rest_before$busy,
  alone = one_process$busy,
  during = all_workers$busy,
  after = rest_after$busy
)
titles <- c(
  before = "before: nothing to do",
  alone = "alone: one R process computes",
  during = sprintf("during: a pool of %d computes", workers),
  after = "after: the workers have nothing left to do"
)
for (name in names(pictures)) {
  cat(titles[[name]], "\n", sep = "")
  print_bars(pictures[[name]])
  cat("\n")
}

# The same as a table: percent of the time that each core was busy.
if (!is.null(rest_before$busy)) {
  print(round(do.call(cbind, pictures)))
  cat("\n")
}

speedup <- sum(unlist(all_workers$value)) / one_process$value
cat(sprintf("In the same time the pool did %.1f times the work of one process.\n", speedup))
