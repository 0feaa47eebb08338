# What a pool's worker does. Its loop is in src/pool/worker.cpp; it returns here with the errors of R.
worker_main <- function(what, index = what$index) {
  enter_child(what$names[[index + 1L]], what, number = index + 1L)
  forget_random_state()
  begin_session(what$session, what$needs)
  if (is.environment(what)) end_start() # not in a fork: a fork of an R that is still starting spawns nothing either
  if (!is.null(what$initializer)) {
    if (is.environment(what)) refuse_lost_in_call(what$initializer, what$initargs)
    failed <- tryCatch(
      {
        call_in(new_frame(), what$initializer, what$initargs)
        NULL
      },
      error = function(e) e
    )
    if (!is.null(failed)) {
      message(sprintf("the initializer of a pool's worker (pid %d) failed: %s", Sys.getpid(), message_of(failed)))
      return(1L)
    }
    if (is.environment(what) && length(what$initargs)) { # they may lie in the memory of the session
      what$initargs <- NULL
      gc()
    }
  }
  worker_begin(what$pool, index, what$maxtasks, NULL, what$session[[1L]])
  worker_loop()
  finish_child()
  0L
}

worker_loop <- function() {
  repeat {
    trace <- NULL
    over <- tryCatch(
      withCallingHandlers(
        worker_run(),
        interrupt = function(i) if (worker_cancelled()) stop("cancelled") else ignore_interrupt(i),
        error = function(e) trace <<- traceback_of(sys.calls())
      ),
      error = function(e) {
        publish_failure(worker_fail, e, trace, pointer_hint(e, function() task_inputs(worker_task_frame())))
        FALSE
      }
    )
    if (over) break
    forget_interrupt()
  }
}

task_inputs <- function(frame) {
  args <- if (is.null(frame$args)) c(list(frame$X[[frame$i]]), eval(quote(list(...)), frame)) else frame$args
  inputs_of(frame$FUN, args)
}

# The call that computes an element; as lapply() makes it, so that errors show the same call
each_call <- quote(FUN(X[[i]], ...))

# `...` alone, so that arguments of the function may have any names
new_frame <- function(...) {
  X <- NULL
  i <- 0L
  args <- NULL
  FUN <- NULL
  environment()
}
environment(new_frame) <- .BaseNamespaceEnv # so that `[[` is found at once; other names are looked up in the session

with_function <- function(frame, FUN) {
  if (inherits(FUN, inherited_class)) FUN <- get(FUN[[1L]], globalenv(), mode = "function")
  frame$FUN <- if (length(seen$lacks)) guarded(FUN) else FUN
  frame
}

# The same with the names that the function's own environment has: a generic that is called from the frame finds the
# methods that were defined beside it, as when the session calls it there.
locals_first <- function(frame, FUN) {
  local <- if (is.function(FUN) && !is.primitive(FUN)) environment(FUN)
  if (!is.null(local) && !is_top_level(local) && reaches_session(local)) {
    frame$`[[` <- `[[`
    parent.env(frame) <- local
  }
  frame
}

# An environment above the base package's alone does not: what is called from the frame would not find the session's names.
reaches_session <- function(env) {
  top <- top_level_of(env)
  identical(top, globalenv()) || isNamespace(top)
}

# What a job sends beside its function and elements, see src/pool/job_body.h. `pages`: NULL for those of the session as it
# is, which submit_map() puts there; FALSE for none.
job_parts <- c("args", "variables", "packages", "star", "seed", "pages")
job_body <- function(args, variables, packages, star, seed, pages) list(args, variables, packages, star, seed, pages)

# body: see job_body(). `seeded`: the job before had a seed.
worker_frame <- function(FUN, body, seeded) {
  names(body) <- job_parts
  if (length(body$variables) || length(body$packages) || length(seen$lent)) {
    apply_needs(c(list(body$variables), body$packages))
  }
  if (seeded && is.null(body$seed)) {
    apply_random_kind()
    forget_random_state()
  }
  frame <- if (length(body$args)) do.call(new_frame, body$args, quote = TRUE) else new_frame()
  with_function(locals_first(frame, FUN), FUN)
}

# Elements of an iterable that travelled in one piece
worker_slice <- function(x, first, count) {
  if (!is.vector(x) || is.object(x)) x <- as.list(x)
  x[first + seq_len(count)]
}
