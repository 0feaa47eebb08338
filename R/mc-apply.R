# What mclapply(), mcvapply() and mcmapply() share; called by them alone, as warnings name the caller's call.
# `mc.template`: all results are of its type and length. `one_vector`: single numbers of one type may come as a vector
# instead of a list.
mc_apply <- function(X, FUN, ..., mc.preschedule, mc.set.seed, mc.silent, mc.cores, mc.cleanup, mc.allow.recursive,
                     affinity.list, mc.progress, mc.retry, mc.seed, mc.stop.on.error, mc.template = NULL,
                     one_vector = FALSE) {
  mc.retry <- check_retries(mc.retry, "mc.retry")
  check_truth(mc.progress, "mc.progress")
  if (!is.null(mc.seed)) check_count(mc.seed, "mc.seed", -.Machine$integer.max)
  forks <- isTRUE(mc.allow.recursive) || !is_child()
  if (!is.vector(X) || is.object(X)) X <- plain_elements(as.list(X))
  if (forks) {
    if (!is.null(affinity.list) && length(affinity.list) < length(X)) {
      abort("ValueError", "affinity.list and X must have the same length")
    }
    if (if (is_truth(mc.set.seed)) mc.set.seed else in_our_class(if (mc.set.seed) TRUE else FALSE)) reset_stream()
  }
  cores <- min(mc.cores, length(X))

  # `...` stays a promise for the workers
  evaluate <- seeded(function(i) forceAndCall(1, FUN, X[[i]], ...), mc.seed)

  if (!forks || length(X) < 2L || (cores < 2L && is.null(affinity.list))) {
    if (forks && length(X) && length(affinity.list)) {
      affinity <- mcaffinity()
      on.exit(mcaffinity(affinity))
      mcaffinity(affinity.list[[1L]])
    }
    if (is.null(mc.seed) && !isTRUE(mc.progress)) {
      return(simplified(lapply(X = X, FUN = FUN, ...), mc.template))
    }
    return(simplified(evaluate_here(evaluate, X, mc.seed, mc.progress), mc.template))
  }

  if (!is_truth(mc.preschedule)) mc.preschedule <- in_our_class(if (!mc.preschedule) FALSE else TRUE)
  mc.cleanup <- check_cleanup(mc.cleanup)
  if (cores < length(X)) FUN <- compile_function(FUN)
  if (mc.preschedule) {
    if (!is.null(affinity.list)) {
      warning(simpleWarning("'mc.preschedule' must be false if 'affinity.list' is used", sys.call(-1L)))
    }
    plan <- list(chunks = lapply(seq_len(cores), seq.int, to = length(X), by = cores), cores = cores)
  } else {
    plan <- plan_elements(length(X), cores, affinity.list)
  }
  direct <- is.null(mc.seed)
  frame <- if (direct) with_function(new_frame(...), FUN) else with_function(new_frame(), evaluate)
  run <- fork_map(
    if (direct) X else seq_along(X), frame,
    plan$chunks, plan$cores, mc.set.seed,
    silent = mc.silent, affinity = plan$affinity, retry = mc.retry, progress = mc.progress,
    stop_on_error = mc.stop.on.error, cleanup = mc.cleanup, template = if (one_vector) quote(any) else mc.template
  )
  if (fits_slots(mc.template) && !any(has_failed(run$failures))) {
    return(shaped(run$values, mc.template, run$first, length(X), names(X)))
  }
  if (isFALSE(run$failed)) { # most calls: nothing to tell
    if (!is.null(names(X))) names(run$values) <- names(X)
    return(simplified(run$values, mc.template))
  }
  res <- with_try_errors(run, mc.stop.on.error)
  if (!is.null(names(X))) names(res) <- names(X)
  for (text in describe_failures(run$failures, if (mc.preschedule) cores)) {
    warning(simpleWarning(text, sys.call(-1L)))
  }
  simplified(res, mc.template)
}

simplified <- function(values, template) {
  if (is.null(template)) values else in_our_class(vapply(values, identity, template))
}
