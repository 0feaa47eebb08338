# What it costs that a task sees the session as it is: one call on a running pool of one worker, with more and more in
# the global environment, beside future's (which analyses the code of each call).
#   Rscript bench/session.R [--rounds=5]

here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1L]))
source(file.path(here, "peers.R"))
source(file.path(here, "engines.R"))
heading("What a call costs beside its task: the state of the session")

plain <- compiler::cmpfun(function(x) x)
environment(plain) <- globalenv()
# a function of base R that may look at the session: the journal is compared with it
looks <- compiler::cmpfun(function(x) paste(x))
environment(looks) <- globalenv()

clear <- function() rm(list = grep("^bench_", ls(globalenv()), value = TRUE), envir = globalenv())
fill <- function(n) for (i in seq_len(n)) assign(paste0("bench_", i), c(i, 0.5), globalenv())

each_call <- function(pool, f, before = function() NULL) {
  pool$apply(f, list(1))
  time_per(function() {
    before()
    pool$apply(f, list(1))
  })
}
ours_with <- function(fill, f = looks, before = function() NULL) {
  function(pool) {
    clear()
    on.exit(clear())
    fill()
    each_call(pool, f, before)
  }
}
future_with <- function(fill, f, before = function() NULL) {
  function(cl) {
    clear()
    on.exit(clear())
    fill()
    time_per(function() {
      before()
      future::value(future::future(f(1), globals = TRUE))
    })
  }
}
change <- function() {
  bench_changed <- eval(call("function", as.pairlist(alist(x = )), bquote({
    text <- .(paste(rep("x", 700), collapse = ""))
    nchar(text) + .(stats::runif(1)) * x
  })), globalenv())
  assign("bench_changed", bench_changed, globalenv())
}

compare("one call, running pool of 1", "us", list(
  on(our_pool(1L), "plain function, empty session", ours_with(function() NULL, plain)),
  on(our_pool(1L), "plain function, 10,000 objects", ours_with(function() fill(10000), plain)),
  on(our_pool(1L), "paste(), empty session", ours_with(function() NULL)),
  on(our_pool(1L), "paste(), 100 objects", ours_with(function() fill(100))),
  on(our_pool(1L), "paste(), 10,000 objects", ours_with(function() fill(10000))),
  on(our_pool(1L), "paste(), 100 objects, a function of 1 kB changed", ours_with(function() fill(100), before = change)),
  on(our_pool(1L), "paste(), 400 MB that it does not name", ours_with(function() assign("bench_big", numeric(5e7), globalenv()))),
  contestant("making the changed function, alone", function(state) time_per(change)),
  on(futures(1L), "future, 100 objects", rounds = 3L, run = future_with(function() fill(100), looks)),
  contestant("globals::getGlobalsAndPackages, 100 objects", when = has("future"), rounds = 3L, run = function(state) {
    fill(100)
    on.exit(clear())
    time_per(function() future::getGlobalsAndPackages(quote(looks(1)), envir = globalenv()))
  })
))

finish()
