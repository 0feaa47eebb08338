# One trivial task and its answer, on a pool of one worker that already runs.
#   Rscript bench/task_latency.R [--rounds=5]

here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1L]))
source(file.path(here, "peers.R"))
source(file.path(here, "engines.R"))
heading("Latency of one task")

f <- compiler::cmpfun(function(x) x)
r_session <- engine(
  function() callr::r_session$new(),
  function(session) session$close(),
  when = has("callr")
)
ask_mirai <- function(state) time_per(function() mirai::mirai(f(1), f = f)[])

back_to_back <- compare("one trivial task and its answer, running pool of 1", "us", list(
  on(our_pool(1L), OURS, function(p) time_per(function() p$apply(f, list(1)))),
  on(psock(1L), "PSOCK", function(cl) time_per(function() parallel::clusterCall(cl, f, 1))),
  on(fork_cluster(1L), "fork cluster", function(cl) {
    time_per(function() parallel::clusterCall(cl, f, 1))
  }),
  on(daemons(1L), "mirai", ask_mirai),
  on(daemons(1L, dispatcher = FALSE), "mirai, no dispatcher", ask_mirai),
  contestant("Python Pool.apply", when = has_python(), run = function(state) {
    python_figure("pool", "latency")
  }),
  contestant("mcparallel", when = unix, run = function(state) {
    time_per(function() parallel::mccollect(parallel::mcparallel(f(1))))
  }),
  on(r_session, "callr r_session", function(session) {
    time_per(function() session$run(f, list(1)))
  }),
  on(futures(1L), "future", rounds = 3L, run = function(cl) {
    time_per(function() future::value(future::future(f(1))))
  }),
  on(bioc(1L), "BiocParallel", rounds = 3L, run = function(param) {
    time_per(function() BiocParallel::bplapply(1, f, BPPARAM = param))
  })
))
must_be(back_to_back, peer = "PSOCK", ratio = 0.05)

# A worker that has been idle is asleep: how long waking takes is mostly the operating system's.
after_a_pause <- function(call) {
  stats::median(vapply(1:40, function(i) {
    Sys.sleep(0.01)
    elapsed(call)
  }, 0))
}
asleep <- compare("the same, each after 10 ms of quiet (the worker sleeps)", "us", list(
  on(our_pool(1L), OURS, function(p) after_a_pause(function() p$apply(f, list(1)))),
  on(psock(1L), "PSOCK", function(cl) after_a_pause(function() parallel::clusterCall(cl, f, 1))),
  contestant("Python Pool.apply", when = has_python(), run = function(state) {
    python_figure("pool", "latency_asleep")
  })
))

finish()
