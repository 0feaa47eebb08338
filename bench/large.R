# Large data: 4 results of 100 MB, and a matrix of 400 MB read by 4 tasks. What that takes in memory
# is in memory.R.
#   Rscript bench/large.R [--rounds=3]

here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1L]))
source(file.path(here, "peers.R"))
source(file.path(here, "engines.R"))
heading("Large data")

laps <- asked_rounds(3L)

#' The median of three calls after one that is not counted.
settled <- function(call) {
  call()
  stats::median(vapply(1:3, function(i) elapsed(call), 0))
}

# ---- results -------------------------------------------------------------------------------------

big <- compiler::cmpfun(function(i) sqrt(seq_len(12500000)) + i)
results <- compare("4 results of 100 MB each, 2 workers", "s", rounds = laps, list(
  on(our_pool(2L), OURS, function(p) settled(function() p$map(big, 1:4))),
  on(our_pool(2L), "ours, template", function(p) {
    settled(function() p$map(big, 1:4, template = numeric(12500000)))
  }),
  contestant("ours, mclapply", when = have_mclapply, run = function(state) {
    settled(function() our_mclapply(1:4, big, mc.cores = 2L))
  }),
  contestant("lapply", function(state) settled(function() lapply(1:4, big))),
  on(psock(2L), "lapply, a half in each of two sessions", function(cl) {
    side_by_side(cl, function(k) lapply(1:2, big), "big", time = settled) # and nothing is sent back
  }),
  contestant("bettermc", when = has("bettermc"), run = function(state) {
    settled(function() bettermc::mclapply(1:4, big, mc.cores = 2L, mc.progress = FALSE))
  }),
  contestant("mclapply", when = unix, run = function(state) {
    settled(function() parallel::mclapply(1:4, big, mc.cores = 2L))
  }),
  on(psock(2L), "PSOCK", function(cl) settled(function() parallel::parLapply(cl, 1:4, big))),
  on(daemons(2L), "mirai_map", function(state) settled(function() mirai::mirai_map(1:4, big)[])),
  on(futures(2L), "future_lapply", function(cl) {
    settled(function() future.apply::future_lapply(1:4, big))
  }),
  on(bioc(2L), "BiocParallel", function(param) {
    settled(function() BiocParallel::bplapply(1:4, big, BPPARAM = param))
  }),
  contestant("Python Pool.map", when = has_python(), run = function(state) {
    python_figure("large", "time")
  })
))
must_be(results, peer = "bettermc", ratio = 0.4)

# ---- arguments -----------------------------------------------------------------------------------

m <- matrix(as.double(seq_len(5e7)), ncol = 4L)
read_it <- compiler::cmpfun(function(i, m) sum(m[, i]))
small_m <- m[1:2, ]

#' Seconds that `map_it(m)` takes the first time, on workers that have done it with a small matrix.
first_time <- function(map_it) {
  map_it(small_m)
  elapsed(function() map_it(m))
}

work <- "a 400 MB matrix read by 4 tasks, running pool of 2, first time"
first <- compare(work, "s", rounds = laps, list(
  on(our_pool(2L), OURS, function(p) {
    first_time(function(m) p$map(read_it, 1:4, args = list(m)))
  }),
  on(psock(2L), "PSOCK", function(cl) {
    first_time(function(m) parallel::parLapply(cl, 1:4, read_it, m))
  }),
  on(daemons(2L), "mirai_map", function(state) {
    first_time(function(m) mirai::mirai_map(1:4, read_it, .args = list(m = m))[])
  }),
  on(futures(2L), "future_lapply", function(cl) {
    first_time(function(m) future.apply::future_lapply(1:4, read_it, m))
  }),
  on(bioc(2L), "BiocParallel", function(param) {
    first_time(function(m) BiocParallel::bplapply(1:4, read_it, m, BPPARAM = param))
  }),
  contestant("lapply", function(state) elapsed(function() lapply(1:4, read_it, m)))
))
must_be(first, peer = "PSOCK", ratio = 0.3)
must_be(first, peer = "mirai_map", ratio = 0.3)

# Reading 400 MB takes longer than 5 ms on any core, so each task looks at one number of the shared
# matrix: what is measured is how long it takes to get at it.
work <- "a share()d 400 MB matrix read by 4 tasks, running pool of 2"
look_at <- compiler::cmpfun(function(i, m) m[1L, i])
shared <- compare(work, "ms", rounds = laps, list(
  on(our_pool(2L), OURS, function(p) {
    s <- ours("share")(m)
    settled(function() p$map(look_at, 1:4, args = list(s)))
  }),
  on(psock(2L), "PSOCK", function(cl) {
    elapsed(function() parallel::parLapply(cl, 1:4, look_at, m))
  })
))
must_be(shared, at_most = 5e-3)

finish()
