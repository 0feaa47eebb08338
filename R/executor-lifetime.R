# How long the workers of an executor live: until all that was submitted is computed, whether the executor was shut down or
# dropped, or this process ends. Its pool survives the finalizer of its pointer, and is ended here. A *life* is an environment:
# - `key`: its name in `session$lives`, which has all that are not over. (A fork has a copy of it, and none of the pools.)
# - `pid` of the process that made it.
# - `ref`: what is private to the pool, by a weak reference, as the pool's initializer may refer to the executor.
# - `pool`: the same, once neither the executor nor one of its futures exists any more: the executor was dropped.
# - `over`: its workers have ended.
#
# R's collector runs finalizers inside any allocation, also between two lines of this file, and R may lose what a finalizer
# registers. So drops() changes its own life only, where it allocates no variable, and registers nothing.

# `shared`: what the executor and all of its futures hold
begin_life <- function(pool_private, shared) {
  call_due_callbacks()
  attend_dropped()
  register_exit()
  session$before_end <- end_lives
  life <- new.env(parent = emptyenv())
  life$pid <- Sys.getpid()
  life$over <- FALSE
  life$pool <- NULL
  life$ref <- weak_reference(shared, pool_private)
  life$key <- pool_key(pool_private$ptr)
  assign(life$key, life, session$lives)
  reg.finalizer(shared, drops(life, pool_private)) # later than the reference, so that R runs it before it clears that
  pool_survive(pool_private$ptr) # last: a Ctrl-C before this leaves a pool that ends with its pointer
  life
}

# Called by R's collector, which may come at any moment: the workers are told, and no more.
drops <- function(life, pool_private) {
  force(life)
  force(pool_private)
  function(shared) {
    if (life$over || life$pid != Sys.getpid()) {
      return(invisible())
    }
    life$pool <- pool_private
    pool_let_end(pool_private$ptr)
  }
}

pool_of_life <- function(life) if (is.null(life$pool)) weak_value(life$ref) else life$pool

own_lives <- function() own_of(session$lives)

dropped_lives <- function() Filter(function(life) !is.null(life$pool), own_lives())

# Replaces workers of executors that were dropped, and forgets those that have computed all. Never nested: R's collector may run
# finalizers meanwhile. (By pid: the workers that this forks are not in it.)
attend_dropped <- function() {
  if (length(session$lives) && session$attends_dropped != Sys.getpid()) {
    on.exit(session$attends_dropped <- 0L)
    session$attends_dropped <- Sys.getpid()
    for (life in dropped_lives()) is_over(life, 0)
  }
}

# TRUE once its workers have ended, after at most `timeout` seconds. A pool that is broken has no more to compute; other errors
# may pass (no memory, no room for another process), and its workers still compute.
is_over <- function(life, timeout) {
  if (life$over) {
    return(TRUE)
  }
  pool <- pool_of_life(life)
  over <- is.null(pool) || !pool_exists(pool$ptr) || tryCatch(
    {
      pool_close(pool$ptr)
      pool_join(pool$ptr, timeout)
    },
    BrokenProcessPool = function(e) TRUE,
    multiprocessing_error = function(e) {
      life$problem <- conditionMessage(e)
      FALSE
    }
  )
  if (over) forget_life(life)
  over
}

# From here on the pool ends with its pointer, as others do.
forget_life <- function(life) {
  if (!life$over) {
    suspendInterrupts({
      pool <- pool_of_life(life)
      remove_life(life)
      if (!is.null(pool)) pool_survive_no_more(pool$ptr)
    })
  }
  invisible()
}

give_up_life <- function(life) {
  if (!life$over) {
    suspendInterrupts({
      pool <- pool_of_life(life)
      remove_life(life)
      if (!is.null(pool)) pool_discard(pool$ptr)
    })
  }
}

remove_life <- function(life) {
  life$over <- TRUE
  if (identical(session$lives[[life$key]], life)) rm(list = life$key, envir = session$lives)
  life$pool <- NULL
}

# Returns when all is computed, or if errors do not pass.
end_life <- function(life) {
  pool <- pool_of_life(life)
  if (interactive() && !is_over(life, 0)) message("R ends when the calls of an executor are computed; Ctrl-C gives them up")
  for (attempt in 1:100) {
    if (is_over(life, NULL)) break
    Sys.sleep(0.1)
  }
  if (!life$over) message("R ends before the calls of an executor are computed: ", life$problem)
  if (!is.null(pool)) deliver_callbacks(pool)
}

# Called before this process ends. A Ctrl-C gives up all executors that are left. (A callback may create another executor.)
end_lives <- function() {
  suspendInterrupts({
    interrupted <- FALSE
    while (!interrupted && length(lives <- own_lives())) {
      tryCatch(
        allowInterrupts(for (life in lives) tryCatch(end_life(life), error = function(e) message(message_of(e)))),
        interrupt = function(i) interrupted <<- TRUE
      )
      if (interrupted) lives <- own_lives()
      for (life in lives) give_up_life(life) # nothing, if it is over
    }
  })
  invisible()
}
