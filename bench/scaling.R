# How work grows with the number of workers: 1, 2, 4, ... up to the cores of this machine. Computing, reading a matrix that all
# share, small tasks, large results, a start; and what all processes contend for: a lock, a queue, a barrier.
#   Rscript bench/scaling.R [--rounds=3] [compute read small large start shared]

here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1L]))
source(file.path(here, "peers.R"))
source(file.path(here, "engines.R"))
heading("More workers")
if (!have_ours) stop("the package is not installed", call. = FALSE)

chosen <- grep("^--", commandArgs(TRUE), value = TRUE, invert = TRUE)
wanted <- function(part) !length(chosen) || part %in% chosen
laps <- asked_rounds(3L)
cores <- ours("cpu_count")()
counts <- unique(c(2L^(0:floor(log2(cores))), cores))

workers <- function(n) sprintf("%d worker%s", n, if (n > 1L) "s" else "")

#' One contestant for each number of workers, and one for the most workers of each peer.
growing <- function(run, peers = list()) {
  c(lapply(counts, function(n) on(our_pool(n), paste0("ours, ", workers(n)), function(p) run(p, n))), peers)
}

#' Seconds of the second call of two: the first one brings data and functions.
second <- function(call) {
  call()
  elapsed(call)
}

#' A promise about the most workers beside one of them.
must_grow <- function(result, share) {
  if (cores > 1L) {
    must_be(result, peer = paste0("ours, ", workers(1L)), ratio = 1 / (share * cores), who = paste0("ours, ", workers(cores)))
  }
}

# ---- jobs ----------------------------------------------------------------------------------------

if (wanted("compute")) {
  compute <- compiler::cmpfun(function(i) {
    s <- 0
    for (k in 1:250000) s <- s + k %% 7
    s
  })
  tasks <- seq_len(8L * cores)
  result <- compare(sprintf("%d tasks that compute", length(tasks)), "ms", rounds = laps, growing(
    function(p, n) second(function() p$map(compute, tasks)), list(
      contestant("lapply", function(state) elapsed(function() lapply(tasks, compute))),
      contestant("ours, mclapply", function(state) second(function() our_mclapply(tasks, compute, mc.cores = cores))),
      contestant("mclapply", function(state) second(function() parallel::mclapply(tasks, compute, mc.cores = cores))),
      on(psock(cores), "PSOCK", function(cl) second(function() parallel::parLapply(cl, tasks, compute))),
      on(daemons(cores), "mirai_map", function(state) second(function() mirai::mirai_map(tasks, compute)[]))
    )
  ))
  must_grow(result, 0.8)
}

if (wanted("read")) {
  m <- matrix(as.double(seq_len(5e7)), ncol = 1000L)
  numbers <- 1:1000
  shared <- ours("share")(m)
  compare("sum(m[, j]) of each column, a share()d matrix of 400 MB", "ms", rounds = laps, growing(
    function(p, n) second(function() p$map(function(j) sum(shared[, j]), numbers, template = numeric(1))), list(
      contestant("lapply", function(state) elapsed(function() lapply(numbers, function(j) sum(m[, j])))),
      contestant("mclapply", function(state) {
        second(function() parallel::mclapply(numbers, function(j) sum(m[, j]), mc.cores = cores))
      })
    )
  ))
  rm(m, shared)
  invisible(gc())
}

if (wanted("small")) {
  f <- compiler::cmpfun(function(x) x)
  many <- seq_len(100000L)
  compare("100,000 trivial tasks, default chunks", "ms", rounds = laps, growing(
    function(p, n) second(function() p$map(f, many)), list(
      contestant("lapply", function(state) second(function() lapply(many, f))),
      contestant("mclapply", function(state) second(function() parallel::mclapply(many, f, mc.cores = cores))),
      on(psock(cores), "PSOCK", function(cl) second(function() parallel::parLapply(cl, many, f)))
    )
  ))
  some <- seq_len(20000L)
  compare("20,000 trivial tasks, one at a time", "ms", rounds = laps, growing(
    function(p, n) second(function() p$map(f, some, chunksize = 1L)), list(
      on(psock(cores), "PSOCK", rounds = 1L, function(cl) {
        second(function() parallel::parLapplyLB(cl, some, f, chunk.size = 1L))
      }),
      on(daemons(cores), "mirai_map", rounds = 1L, function(state) second(function() mirai::mirai_map(some, f)[]))
    )
  ))
  compare("one trivial task and its answer", "us", rounds = laps, growing(
    function(p, n) time_per(function() p$apply(f, list(1))), list(
      on(psock(cores), "PSOCK", function(cl) time_per(function() parallel::clusterCall(cl[1L], f, 1)))
    )
  ))
  compare("one trivial task for each worker", "us", rounds = laps, growing(
    function(p, n) time_per(function() p$map(f, seq_len(n), chunksize = 1L)), list(
      on(psock(cores), "PSOCK", function(cl) time_per(function() parallel::clusterCall(cl, f, 1)))
    )
  ))
}

if (wanted("large")) {
  big <- compiler::cmpfun(function(i) sqrt(seq_len(2500000)) + i)
  tasks <- seq_len(2L * cores)
  compare(sprintf("%d results of 20 MB", length(tasks)), "ms", rounds = laps, growing(
    function(p, n) second(function() p$map(big, tasks, chunksize = 1L)), list(
      contestant("lapply", function(state) second(function() lapply(tasks, big))),
      contestant("mclapply", function(state) second(function() parallel::mclapply(tasks, big, mc.cores = cores))),
      contestant("bettermc", when = has("bettermc"), run = function(state) {
        second(function() bettermc::mclapply(tasks, big, mc.cores = cores, mc.progress = FALSE))
      }),
      on(psock(cores), "PSOCK", function(cl) second(function() parallel::parLapply(cl, tasks, big)))
    )
  ))
}

if (wanted("start")) {
  f <- function(x) x
  compare("start workers and one call", "ms", rounds = laps, c(
    lapply(counts, function(n) {
      contestant(paste0("ours, ", workers(n)), function(state) {
        elapsed(function() {
          p <- Pool(n)
          p$map(f, seq_len(n), chunksize = 1L)
          p$terminate()
        })
      })
    }),
    list(
      contestant("ours, mclapply", function(state) elapsed(function() our_mclapply(seq_len(cores), f, mc.cores = cores))),
      contestant("mclapply", function(state) elapsed(function() parallel::mclapply(seq_len(cores), f, mc.cores = cores)))
    )
  ))
}

# ---- what processes contend for ------------------------------------------------------------------

#' Seconds from when `n` children and this process have met until all children have done `work(k, ...)`, k from 1 to `n`.
together <- function(n, work, ...) {
  barrier <- ours("Barrier")(n + 1L)
  children <- lapply(seq_len(n), function(k) {
    ours("Process")(function(barrier, work, k, ...) {
      barrier$wait()
      work(k, ...)
      barrier$wait()
    }, args = list(barrier, work, k, ...))
  })
  for (child in children) child$start()
  barrier$wait()
  start <- now()
  barrier$wait()
  taken <- now() - start
  for (child in children) child$join()
  taken
}

if (wanted("shared")) {
  each <- function(run) {
    lapply(counts[counts > 1L], function(n) contestant(paste0("ours, ", workers(n)), function(state) run(n)))
  }
  rounds_each <- 5000L
  compare("a lock that all want, acquire + release, each", "us", rounds = laps, each(function(n) {
    together(n, function(k, lock, times) {
      for (i in seq_len(times)) {
        lock$acquire()
        lock$release()
      }
    }, ours("Lock")(), rounds_each) / (n * rounds_each)
  }))
  items <- 20000L
  compare("a queue, half of the processes put and half get, each item", "us", rounds = laps, each(function(n) {
    half <- n %/% 2L
    together(2L * half, function(k, q, half, times) {
      if (k <= half) for (i in seq_len(times)) q$put(i) else for (i in seq_len(times)) q$get()
    }, ours("Queue")(), half, items %/% half) / (items %/% half * half)
  }))
  passes <- 2000L
  compare("a barrier of all, each round", "us", rounds = laps, each(function(n) {
    together(n, function(k, gate, times) for (i in seq_len(times)) gate$wait(), ours("Barrier")(n), passes) / passes
  }))
}

finish()
