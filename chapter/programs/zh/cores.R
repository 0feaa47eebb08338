# 并行之前、期间和之后，每个核有多忙？

library(multiprocessing)
source(system.file("examples", "cpu_usage.R", package = "multiprocessing")) # measure()、print_bars()

# 连续计算两秒
compute <- function(i) {
  rounds <- 0
  end <- proc.time()[["elapsed"]] + 2
  while (proc.time()[["elapsed"]] < end) {
    sum(sqrt(seq_len(20000)))
    rounds <- rounds + 1
  }
  rounds
}

# R 的参数用到时才计算，所以 work 是在 measure() 里面运行的
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
