# 10,000 trivial tasks on 2 workers, per task; and the smallest job that 2 workers finish sooner
# than lapply.
#   Rscript bench/throughput.R [--rounds=5]

here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1L]))
source(file.path(here, "peers.R"))
source(file.path(here, "engines.R"))
heading("Throughput of small tasks")

f <- compiler::cmpfun(function(x) x)
n <- 10000L
x <- seq_len(n)
right <- lapply(x, f)
halves <- list(x[1:5000], x[5001:10000])

#' Seconds per task; a contestant whose answer is wrong has no figure.
per_task <- function(call, tasks = n) {
  stopifnot(identical(unname(as.list(call())), right[seq_len(tasks)]))
  time_per(call) / tasks
}

whole <- compare("10,000 trivial tasks, 2 workers, default chunks, per task", "us", list(
  on(our_pool(2L), OURS, function(p) per_task(function() p$map(f, x))),
  contestant("lapply", function(state) per_task(function() lapply(x, f))),
  on(psock(2L), "lapply, a half in each of two sessions", function(cl) {
    side_by_side(cl, function(k) lapply(halves[[k]], f), c("halves", "f")) / n
  }),
  on(our_pool(2L), "ours, template", function(p) {
    per_task(function() p$map(f, x, template = integer(1)))
  }),
  contestant("ours, mclapply", when = have_mclapply, run = function(state) {
    per_task(function() our_mclapply(x, f, mc.cores = 2L))
  }),
  contestant("Python Pool.map", when = has_python(), run = function(state) {
    python_figure("pool", "map", n)
  }),
  contestant("mclapply", when = unix, run = function(state) {
    per_task(function() parallel::mclapply(x, f, mc.cores = 2L))
  }),
  on(psock(2L), "parLapply", function(cl) per_task(function() parallel::parLapply(cl, x, f))),
  on(futures(2L), "future_lapply", rounds = 3L, run = function(cl) {
    per_task(function() future.apply::future_lapply(x, f))
  }),
  on(bioc(2L), "BiocParallel", rounds = 3L, run = function(param) {
    per_task(function() BiocParallel::bplapply(x, f, BPPARAM = param))
  }),
  on(daemons(2L), "mirai_map", rounds = 1L, run = function(state) {
    per_task(function() mirai::mirai_map(x, f)[])
  }),
  contestant("bettermc", when = has("bettermc"), rounds = 1L, run = function(state) {
    per_task(function() bettermc::mclapply(x, f, mc.cores = 2L, mc.progress = FALSE))
  })
))
must_be(whole, at_most = 0.4e-6)
must_be(whole, peer = "lapply", ratio = 0.75)

few <- 100L
work <- "10,000 trivial tasks, 2 workers, one at a time (chunksize 1), per task"
single <- compare(work, "us", list(
  on(our_pool(2L), OURS, function(p) per_task(function() p$map(f, x, chunksize = 1L))),
  contestant("Python Pool.map", when = has_python(), run = function(state) {
    python_figure("pool", "map", n, 1)
  }),
  on(psock(2L), "parLapplyLB", rounds = 1L, run = function(cl) {
    per_task(function() parallel::parLapplyLB(cl, x, f, chunk.size = 1L))
  }),
  on(daemons(2L), "mirai_map", rounds = 1L, run = function(state) {
    per_task(function() mirai::mirai_map(x, f)[])
  }),
  contestant("ours, mclapply (100)", when = have_mclapply, run = function(state) {
    some <- x[seq_len(few)]
    per_task(function() our_mclapply(some, f, mc.cores = 2L, mc.preschedule = FALSE), few)
  }),
  contestant("mclapply (100)", when = unix, rounds = 1L, run = function(state) {
    some <- x[seq_len(few)]
    per_task(function() parallel::mclapply(some, f, mc.cores = 2L, mc.preschedule = FALSE), few)
  })
))
must_be(single, at_most = 3e-6)

# ---- the smallest job ----------------------------------------------------------------------------

# 16 equal tasks of k steps; the job's size is the time that lapply takes for all of them.
steps <- compiler::cmpfun(function(x, k) {
  s <- 0
  for (j in seq_len(k)) s <- s + j * x
  s
})
tasks <- 1:16

#' The size from which on the contestant wins twice in a row; Inf if it never does below 0.5 s.
smallest_job <- function(map_it) {
  map_it(tasks, 10L)
  per_step <- time_per(function() lapply(tasks, steps, 10000L), 0.1) / 10000
  wins <- 0L
  size <- 2e-5
  while (size < 0.5) {
    k <- max(1L, as.integer(size / per_step))
    times <- vapply(seq_len(if (size < 0.02) 15L else 7L), function(i) {
      c(elapsed(function() lapply(tasks, steps, k)), elapsed(function() map_it(tasks, k)))
    }, numeric(2))
    middle <- apply(times, 1L, stats::median)
    wins <- if (middle[2L] < middle[1L]) wins + 1L else 0L
    if (wins == 1L) found <- middle[1L]
    if (wins == 2L) return(found)
    size <- size * 1.3
  }
  Inf
}

smallest <- compare("smallest job for which 2 workers beat lapply", "ms", rounds = 3L, list(
  on(our_pool(2L), OURS, function(p) {
    smallest_job(function(x, k) p$map(steps, x, args = list(k)))
  }),
  contestant("Python Pool.map", when = has_python(), run = function(state) {
    python_figure("pool", "smallest")
  }),
  on(psock(2L), "parLapply", function(cl) {
    smallest_job(function(x, k) parallel::parLapply(cl, x, steps, k))
  }),
  contestant("ours, mclapply", when = have_mclapply, run = function(state) {
    smallest_job(function(x, k) our_mclapply(x, steps, k, mc.cores = 2L))
  }),
  contestant("mclapply", when = unix, run = function(state) {
    smallest_job(function(x, k) parallel::mclapply(x, steps, k, mc.cores = 2L))
  }),
  on(daemons(2L), "mirai_map", function(state) {
    smallest_job(function(x, k) mirai::mirai_map(x, steps, .args = list(k = k))[])
  })
))
must_be(smallest, at_most = 1e-3)

# ---- a function that has not run yet -------------------------------------------------------------

# R compiles a function with a loop when it is first called; a forked child of package parallel does not.
loop <- "function(i) {
  s <- 0
  for (k in 1:300000) if ((k * i) %% 7 > 3) s <- s + k else s <- s - 1
  s
}"
new_loop <- function() eval(parse(text = loop, keep.source = FALSE), globalenv())
eight <- 1:8
time_loop <- function(map_it) time_per(function() map_it(eight, new_loop()))

fresh <- compare("8 tasks on 2 workers, a loop that has not run yet", "ms", rounds = 3L, list(
  on(our_pool(2L), OURS, function(p) time_loop(function(x, f) p$map(f, x))),
  contestant("lapply", function(state) time_loop(lapply)),
  contestant("ours, mclapply", when = have_mclapply, run = function(state) {
    time_loop(function(x, f) our_mclapply(x, f, mc.cores = 2L))
  }),
  contestant("mclapply", when = unix, run = function(state) {
    time_loop(function(x, f) parallel::mclapply(x, f, mc.cores = 2L))
  }),
  on(psock(2L), "parLapply", function(cl) time_loop(function(x, f) parallel::parLapply(cl, x, f))),
  on(futures(2L), "future_lapply", function(cl) time_loop(future.apply::future_lapply)),
  on(daemons(2L), "mirai_map", function(state) time_loop(function(x, f) mirai::mirai_map(x, f)[])),
  contestant("bettermc", when = has("bettermc"), run = function(state) {
    time_loop(function(x, f) bettermc::mclapply(x, f, mc.cores = 2L, mc.progress = FALSE))
  })
))
must_be(fresh, peer = "mclapply", ratio = 1, who = "ours, mclapply")

finish()
