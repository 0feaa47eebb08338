# Large data: 4 results of 100 MB, and a matrix of 400 MB read by 4 tasks. A first reading: a target
# that is missed says LATER, not FAIL, because zero copy has its own milestone.
#   Rscript bench/large.R [--rounds=3]

here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1L]))
source(file.path(here, "peers.R"))
source(file.path(here, "engines.R"))
heading("Large data")

share <- ours("share")
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
  contestant("ours, mclapply", when = have_mclapply, run = function(state) {
    settled(function() our_mclapply(1:4, big, mc.cores = 2L))
  }),
  contestant("lapply", function(state) settled(function() lapply(1:4, big))),
  contestant("bettermc", when = has("bettermc"), run = function(state) {
    settled(function() bettermc::mclapply(1:4, big, mc.cores = 2L, mc.progress = FALSE))
  }),
  contestant("mclapply", when = unix, run = function(state) {
    settled(function() parallel::mclapply(1:4, big, mc.cores = 2L))
  }),
  on(psock(2L), "PSOCK", function(cl) settled(function() parallel::parLapply(cl, 1:4, big))),
  on(daemons(2L), "mirai_map", function(state) settled(function() mirai::mirai_map(1:4, big)[])),
  contestant("Python Pool.map", when = has_python(), run = function(state) {
    python_figure("large", "results")
  })
))
must_be(results, peer = "bettermc", ratio = 0.6, later = TRUE)

# ---- arguments -----------------------------------------------------------------------------------

m <- matrix(as.double(seq_len(5e7)), ncol = 4L)
read_it <- compiler::cmpfun(function(i, m) sum(m[, i]))
small_m <- m[1:2, ]

matrix_on_ours <- function(p) {
  p$map(read_it, 1:4, args = list(small_m))
  elapsed(function() p$map(read_it, 1:4, args = list(m)))
}
matrix_on_psock <- function(cl) {
  parallel::parLapply(cl, 1:4, read_it, small_m)
  elapsed(function() parallel::parLapply(cl, 1:4, read_it, m))
}
matrix_on_mirai <- function(state) {
  mirai::mirai_map(1:4, read_it, .args = list(m = small_m))[]
  elapsed(function() mirai::mirai_map(1:4, read_it, .args = list(m = m))[])
}

work <- "a 400 MB matrix read by 4 tasks, running pool of 2, first time"
first <- compare(work, "s", rounds = laps, list(
  on(our_pool(2L), OURS, matrix_on_ours),
  on(psock(2L), "PSOCK", matrix_on_psock),
  on(daemons(2L), "mirai_map", matrix_on_mirai),
  contestant("lapply", function(state) elapsed(function() lapply(1:4, read_it, m)))
))
must_be(first, peer = "PSOCK", ratio = 0.3, later = TRUE)

# Reading 400 MB takes longer than 5 ms on any core, so each task looks at one number of the shared
# matrix: what is measured is how long it takes to get at it.
work <- "a share()d 400 MB matrix read by 4 tasks, running pool of 2"
look_at <- compiler::cmpfun(function(i, m) m[1L, i])
if (is.null(share)) {
  verdict("LATER", work, "there is no share() here; must be <= 5 ms")
} else {
  shared <- compare(work, "ms", rounds = laps, list(
    on(our_pool(2L), OURS, function(p) {
      s <- share(m)
      settled(function() p$map(look_at, 1:4, args = list(s)))
    }),
    on(psock(2L), "PSOCK", function(cl) {
      elapsed(function() parallel::parLapply(cl, 1:4, look_at, m))
    })
  ))
  must_be(shared, at_most = 5e-3, later = TRUE)
}

finish()
