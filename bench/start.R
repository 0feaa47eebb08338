# Starting workers: 2 or 8 of them and one call; and what a full session costs a fork.
# Every contestant runs in its own fresh session, because a fork's price depends on what the session
# holds.
#   Rscript bench/start.R [--rounds=5]

here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1L]))
source(file.path(here, "peers.R"))
source(file.path(here, "engines.R"))
heading("Starting workers")

#' A contestant that times `call` in a fresh session: `before` runs once, `after` untimed after each
#' call. The figure is the median of `runs` calls.
in_fresh <- function(name, call, n, before = "", after = "", runs = 9L, when = TRUE,
                     rounds = NULL) {
  code <- c(
    before,
    sprintf("n <- %dL", n),
    sprintf("times <- vapply(1:%d, function(i) {", runs),
    "  start <- now()", call, "  taken <- now() - start", after, "  taken", "}, 0)",
    "cat(stats::median(times))"
  )
  contestant(name, function(state) fresh_r_figure(code), when = when, rounds = rounds)
}

load_ours <- "loadNamespace('multiprocessing')"
start_pool <- "p <- multiprocessing::Pool(n); p$map(f, 1:n)"
start_fresh <- "p <- multiprocessing::Pool(n, context = '%s'); p$map(f, 1:n)"
stop_pool <- "p$terminate(); p$join()"
our_call <- "multiprocessing::mclapply(1:n, f, mc.cores = n)"
their_call <- "parallel::mclapply(1:n, f, mc.cores = n)"

start_cluster <- function(make) {
  sprintf("cl <- parallel::%s(n); parallel::clusterApply(cl, 1:n, f)", make)
}
stop_cluster <- "parallel::stopCluster(cl)"
start_bioc <- paste(
  "b <- BiocParallel::bpstart(BiocParallel::MulticoreParam(n))",
  "BiocParallel::bplapply(1:n, f, BPPARAM = b)",
  sep = "; "
)
stop_bioc <- "BiocParallel::bpstop(b)"
start_daemons <- "mirai::daemons(n); mirai::mirai_map(1:n, f)[]"

for (n in c(2L, 8L)) {
  result <- compare(sprintf("start %d workers and one call", n), "ms", list(
    in_fresh(OURS, start_pool, n, load_ours, stop_pool, when = have_ours),
    contestant("Python (fork)", when = has_python(), run = function(state) {
      python_figure("pool", "start", n, 9)
    }),
    in_fresh("ours, a session's first pool", start_pool, n, load_ours, runs = 1L, when = have_ours),
    in_fresh("ours, mclapply", our_call, n, load_ours, when = have_mclapply),
    in_fresh("mclapply", their_call, n, when = unix),
    in_fresh("fork cluster", start_cluster("makeForkCluster"), n, after = stop_cluster, runs = 3L,
      when = unix, rounds = 3L),
    in_fresh("PSOCK", start_cluster("makePSOCKcluster"), n, after = stop_cluster, runs = 3L,
      rounds = 3L),
    in_fresh("BiocParallel (fork)", start_bioc, n, "loadNamespace('BiocParallel')", stop_bioc,
      runs = 3L, when = has("BiocParallel") && unix, rounds = 3L),
    in_fresh("mirai", start_daemons, n, "loadNamespace('mirai')", "mirai::daemons(0L)", runs = 3L,
      when = has("mirai"), rounds = 3L)
  ))
  must_be(result, peer = "Python (fork)", ratio = 1)
}

# ---- a session that holds data -------------------------------------------------------------------

available_gb <- function() {
  if (!file.exists("/proc/meminfo")) return(Inf)
  line <- grep("^MemAvailable", readLines("/proc/meminfo"), value = TRUE)
  as.numeric(gsub("\\D", "", line)) / 2^20
}

# Workers that are no copies of the session: what it holds must not matter to them.
fresh <- if (have_ours) intersect(c("forkserver", "spawn"), ours("get_all_start_methods")())[1L]
fresh_pool <- sprintf("ours, %s pool", fresh)
flat <- numeric()
for (gb in c(0, 1, 4)) {
  work <- sprintf("2 workers and one call with %g GB in the session", gb)
  if (available_gb() < gb + 2) {
    verdict("SKIP", work, "not enough free memory")
    next
  }
  hold <- sprintf("held <- numeric(%g * 2^27)", gb)
  hold_ours <- c(load_ours, hold)
  running <- c(hold_ours, "p <- multiprocessing::Pool(2L)")
  result <- compare(work, "ms", list(
    in_fresh("mclapply", their_call, 2L, hold, when = unix),
    in_fresh("ours, mclapply", our_call, 2L, hold_ours, when = have_mclapply),
    in_fresh("ours, fork pool", start_pool, 2L, hold_ours, stop_pool, when = have_ours),
    in_fresh(fresh_pool, sprintf(start_fresh, fresh), 2L, hold_ours, stop_pool, when = have_ours),
    in_fresh("ours, running pool", "p$map(f, 1:n)", 2L, running, when = have_ours)
  ))
  must_be(result, peer = "mclapply", ratio = 1, who = "ours, mclapply")
  if (have_ours) flat <- c(flat, medians(result)[[fresh_pool]])
}

if (length(flat) > 1L) {
  said <- paste(show_figure(flat, "ms"), collapse = ", ")
  ok <- max(flat) <= 1.25 * min(flat)
  verdict(if (isTRUE(ok)) "PASS" else "FAIL", paste0(fresh_pool, ", flat over 0 / 1 / 4 GB"),
    paste0(said, "; must differ by <= 25 %"))
}

# ---- the same data, shared ------------------------------------------------------------------------

# A fork copies the tables of a session's pages, but not those of pages in shared memory that nothing was written to.
for (gb in c(2, 4)) {
  work <- sprintf("2 workers and one call, %g GB share()d", gb)
  if (!have_mclapply || available_gb() < 2 * gb + 2) {
    verdict("SKIP", work, "not enough free memory")
    next
  }
  hold <- sprintf("held <- numeric(%g * 2^27)", gb)
  shared <- c(load_ours, sprintf("held <- multiprocessing::share(numeric(%g * 2^27)); invisible(gc())", gb))
  result <- compare(work, "ms", rounds = 3L, list(
    in_fresh("ours, mclapply", our_call, 2L, shared),
    in_fresh("the same, nothing in the session", our_call, 2L, load_ours),
    in_fresh("the same, ordinary data", our_call, 2L, c(load_ours, hold)),
    in_fresh("mclapply, ordinary data", their_call, 2L, hold)
  ))
  must_be(result, peer = "the same, nothing in the session", ratio = 1.3, who = "ours, mclapply")
}

finish()
