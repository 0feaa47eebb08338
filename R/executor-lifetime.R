# How long the workers of an executor live: until all that was submitted is computed, whether the executor was shut down or
# dropped, or this process ends. A *life* is an environment: `pool`, what is private to the executor's pool; `pid` of the process
# that made it; `dropped`, whether neither the executor nor one of its futures exists any more; `over`, whether its workers have ended.
# `session$lives` has those of executors that exist, as weak references: a pool's initializer may refer to its executor.
# `session$dropped` has those of executors that were dropped, until they are over. (A fork has copies of both lists, and none of the pools.)

# `shared`: what the executor and all of its futures hold
begin_life <- function(pool_private, shared) {
  attend_dropped()
  life <- new.env(parent = emptyenv())
  life$pool <- pool_private
  life$pid <- Sys.getpid()
  life$dropped <- life$over <- FALSE
  # R runs the latest finalizers first. At its end: this one before the pool's own, which kills the workers. When the executor was
  # dropped: the next one before this one.
  reg.finalizer(life, function(life) if (!life$dropped) end_life(life), onexit = TRUE)
  reg.finalizer(shared, drops(life))
  exists <- Filter(function(ref) !is.null(weak_value(ref)), session$lives)
  session$lives <- c(exists, weak_reference(shared, life))
  session$before_end <- end_lives # in a child, which runs no finalizers when it ends
  life
}

# Called by R's collector, which may come at any moment: the workers are told, and no more.
drops <- function(life) {
  force(life)
  function(shared) {
    if (life$over || life$pid != Sys.getpid()) {
      return(invisible())
    }
    life$dropped <- TRUE
    session$dropped <- c(session$dropped, life)
    life$pool$pending <- new.env(parent = emptyenv()) # callbacks of futures that do not exist any more
    reg.finalizer(life, end_life, onexit = TRUE)
    pool_let_end(life$pool$ptr)
  }
}

# Replaces workers of executors that were dropped, and forgets those that have computed all. Never nested: R's collector may run
# finalizers meanwhile.
attend_dropped <- function() {
  if (length(session$dropped) && !session$attends_dropped) {
    session$attends_dropped <- TRUE
    on.exit(session$attends_dropped <- FALSE)
    for (life in session$dropped) if (life$pid == Sys.getpid()) is_over(life, 0)
  }
}

# TRUE once its workers have ended, after at most `timeout` seconds. A pool that fails has no more to compute.
is_over <- function(life, timeout) {
  over <- tryCatch(
    {
      pool_close(life$pool$ptr)
      pool_join(life$pool$ptr, timeout)
    },
    multiprocessing_error = function(e) TRUE
  )
  if (over) forget_life(life)
  over
}

forget_life <- function(life) {
  life$over <- TRUE
  session$dropped <- Filter(function(other) !identical(other, life), session$dropped)
}

# Called before this process ends. After a Ctrl-C, which R holds back in finalizers, the pool's own finalizer ends the workers.
end_life <- function(life) {
  if (life$over || life$pid != Sys.getpid()) {
    return(invisible())
  }
  tryCatch(
    allowInterrupts({
      if (interactive() && !is_over(life, 0)) message("R ends when the calls of an executor are computed; Ctrl-C gives them up")
      is_over(life, NULL)
      deliver_callbacks(life$pool)
    }),
    interrupt = function(i) forget_life(life)
  )
  invisible()
}

end_lives <- function() {
  lives <- c(session$dropped, lapply(session$lives, weak_value))
  for (life in lives) if (!is.null(life)) end_life(life)
}
