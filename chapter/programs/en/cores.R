# How busy is each core, before, during and after?

library(multiprocessing)
source(system.file("examples", "cpu_usage.R", package = "multiprocessing")) # measure(), print_bars()

# Computes for two seconds.
compute <- function(i) {
  rounds <- 0
  end <- proc.time()[["elapsed"]] + 2
  while (proc.time()[["elapsed"]] < end) {
    sum(sqrt(seq_len(20000)))
    rounds <- rounds + 1
  }
  rounds
}

# An argument is evaluated when it is first used: `work` runs inside measure().
show <- function(title, work) {
  cat(title, "\n", sep = "")
  print_bars(measure(work)$busy)
}

pool <- Pool(cpu_count())
show("before", Sys.sleep(1))
show("alone", compute(1))
show("during", pool$map(compute, seq_len(cpu_count()), chunksize = 1))
show("after", Sys.sleep(1))
pool$terminate()
