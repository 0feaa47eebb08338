# The running pools that the scripts measure: how each is started and stopped.
# `on(engine, name, run)` makes a contestant whose `run` receives the running pool.
# Sourced after peers.R.

unix <- .Platform$OS.type == "unix"
Pool <- ours("Pool")
our_mclapply <- ours("mclapply")
have_ours <- !is.null(Pool)
have_mclapply <- !is.null(our_mclapply)

engine <- function(setup, stop, when = TRUE) list(setup = setup, stop = stop, when = when)

on <- function(engine, name, run, rounds = NULL, when = TRUE) {
  contestant(name, run, engine$setup, engine$stop, when = engine$when && when, rounds = rounds)
}

our_pool <- function(n) {
  engine(
    function() Pool(n),
    function(p) {
      p$terminate()
      p$join()
    },
    when = have_ours
  )
}

psock <- function(n) {
  engine(function() parallel::makePSOCKcluster(n), parallel::stopCluster)
}

#' What two processes can do at best on this machine: seconds that `work(k)` takes the slower of two R sessions which do it at
#' the same time and never speak to each other; k is 1 in one of them and 2 in the other. `uses`: global variables of `work`.
side_by_side <- function(cl, work, uses = character(), time = time_per) {
  parallel::clusterExport(cl, c("now", "elapsed", "time_per", uses), envir = globalenv())
  seconds <- parallel::clusterApply(cl, 1:2, function(k, work, time) time(function() work(k)), work, time)
  max(unlist(seconds))
}

fork_cluster <- function(n) {
  engine(function() parallel::makeForkCluster(n), parallel::stopCluster, when = unix)
}

daemons <- function(n, dispatcher = TRUE) {
  engine(
    function() mirai::daemons(n, dispatcher = dispatcher),
    function(state) mirai::daemons(0L),
    when = has("mirai")
  )
}

#' Futures on a running cluster: a multisession plan of one worker does not leave the session.
futures <- function(n) {
  engine(
    function() {
      cl <- parallel::makePSOCKcluster(n)
      future::plan(future::cluster, workers = cl)
      cl
    },
    function(cl) {
      future::plan(future::sequential)
      parallel::stopCluster(cl)
    },
    when = has("future") && has("future.apply")
  )
}

bioc <- function(n) {
  engine(
    function() BiocParallel::bpstart(BiocParallel::SnowParam(n)),
    function(param) BiocParallel::bpstop(param),
    when = has("BiocParallel")
  )
}
