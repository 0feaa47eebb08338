# What mclapply(), mcmapply() and pvec() share: checks, the schedule without prescheduling, and how
# the failures of a run of fork_map() are reported.

# The arguments are checked as parallel checks them, for the same errors and warnings: `if (x)`, not a check of ours.
# `pinned`: with an affinity.list, which sets the number of cores
check_cores <- function(mc.cores, pinned = FALSE) {
  # the usual case, without a handler
  if (!pinned && is.numeric(mc.cores) && !is.object(mc.cores) && length(mc.cores) == 1L && !is.na(mc.cores) && mc.cores >= 1 && mc.cores < 3) {
    return(as.integer(mc.cores))
  }
  cores <- in_our_class(as.integer(mc.cores))
  looked_at <- cores
  if (length(cores) > 1L && getRversion() < "4.3") {
    # There `||` uses the first of several values, with a warning for each side, but ends R under R CMD check.
    for (side in 1:2) warning(sprintf("'length(x) = %d > 1' in coercion to 'logical(1)'", length(cores)), call. = FALSE)
    looked_at <- cores[1L]
  }
  invalid <- in_our_class(if ((is.na(looked_at) || looked_at < 1L) && !pinned) TRUE else FALSE)
  if (invalid) abort("ValueError", "'mc.cores' must be >= 1")
  if (pinned && !isTRUE(cores >= 1L)) {
    return(1L)
  }
  in_our_class(if (cores > 2L) check_core_limit(cores))
  cores
}

# What else `if` takes, or refuses, is for parallel's own words.
is_truth <- function(x) is.logical(x) && length(x) == 1L && !is.na(x)

check_core_limit <- function(cores) {
  limit <- tolower(Sys.getenv("_R_CHECK_LIMIT_CORES_"))
  if (nzchar(limit) && limit != "false") {
    text <- sprintf("%d simultaneous processes spawned", cores)
    if (limit == "warn") warning(text, call. = FALSE, immediate. = TRUE) else abort("ValueError", text)
  }
}

# A truth value, or a signal
check_cleanup <- function(mc.cleanup) {
  how <- if (is.logical(mc.cleanup)) {
    mc.cleanup[1L]
  } else if (is.atomic(mc.cleanup) && length(mc.cleanup)) {
    as.integer(mc.cleanup[1L])
  } else {
    NA
  }
  if (is.na(how) || (is.integer(how) && how < 1L)) abort("ValueError", "invalid 'mc.cleanup' argument")
  how
}

# In a process that was started by us, or forked by package parallel, as opposed to a session
is_child <- function() {
  theirs <- parallels_own("isChild")
  (!is.null(theirs) && isTRUE(theirs())) || in_child()
}

# Chunks of one element each. With an affinity.list the first to start are the first element allowed
# on each CPU.
plan_elements <- function(n, cores, affinity.list) {
  if (is.null(affinity.list)) {
    return(list(chunks = as.list(seq_len(n)), cores = cores))
  }
  affinity <- affinity.list[seq_len(n)]
  # a process may come from an element that pinned it elsewhere
  affinity[lengths(affinity) == 0L] <- list(mcaffinity())
  first <- integer()
  for (cpu in seq_len(max(1L, unlist(affinity)))) {
    allowed <- vapply(affinity, function(cpus) cpu %in% cpus, TRUE)
    first <- c(first, setdiff(which(allowed), first)[1L])
  }
  first <- first[!is.na(first)]
  order <- c(first, setdiff(seq_len(n), first))
  list(chunks = as.list(order), cores = max(1L, length(first)), affinity = affinity[order])
}

# Without forking, for what lapply() alone does not do
evaluate_here <- function(evaluate, X, seed, progress) {
  if (!is.null(seed)) {
    back <- keep_random_state()
    on.exit(back())
  }
  index <- seq_along(X)
  res <- lapply(if (isTRUE(progress)) cli::cli_progress_along(index) else index, evaluate)
  names(res) <- names(X)
  res
}

has_failed <- function(failures) lengths(failures) > 0L # a condition is a list

has_died <- function(failure) inherits(failure, "WorkerDiedError")

with_try_errors <- function(run, stop_on_error = FALSE) {
  failed <- which(has_failed(run$failures))
  if (stop_on_error && length(failed)) raise(run$failures[[failed[1L]]])
  res <- run$values
  if (length(failed)) res[failed] <- lapply(run$failures[failed], as_try_error)
  res
}

# The object that try() would have made in the worker: of the task's own condition, or of the
# worker's death
as_try_error <- function(failure) {
  condition <- if (has_died(failure) || is.null(failure$parent)) failure else failure$parent
  if (inherits(condition, "left_by_jump")) {
    return(structure("fatal error in wrapper code", class = "try-error"))
  }
  if (!inherits(condition, "error")) {
    condition <- simpleError(conditionMessage(condition), conditionCall(condition))
  }
  # try() takes no message but strings
  tryCatch(try(stop(condition), silent = TRUE), error = function(e) try(stop(message_of(condition), call. = FALSE), silent = TRUE))
}

# Warnings about failures: of tasks in parallel's words (with prescheduling by core), then of
# workers
describe_failures <- function(failures, cores = NULL) {
  failed <- which(has_failed(failures))
  if (!length(failed)) {
    return(character())
  }
  died <- failed[vapply(failures[failed], has_died, TRUE)]
  errors <- setdiff(failed, died)
  texts <- character()
  if (length(errors)) {
    texts <- if (is.null(cores)) {
      sprintf("%d function calls resulted in an error", length(errors))
    } else {
      by_core(errors, cores)
    }
  }
  if (length(died)) {
    lost <- vapply(failures[died], describe_death, "")
    texts <- c(texts, sprintf(
      ngettext(
        length(died), "%d parallel function call did not deliver a result, its worker died: %s",
        "%d parallel function calls did not deliver results, their workers died: %s"
      ),
      length(died), shorten(lost)
    ))
  }
  texts
}

by_core <- function(errors, cores) {
  where <- sort(unique((errors - 1L) %% cores + 1L))
  if (length(where) == cores) {
    return("all scheduled cores encountered errors in user code")
  }
  paste0(
    sprintf(
      ngettext(
        length(where), "scheduled core %s encountered error in user code, ",
        "scheduled cores %s encountered errors in user code, "
      ),
      paste(where, collapse = ", ")
    ),
    sprintf(
      ngettext(length(errors), "element %s is affected", "elements %s are affected"), shorten(errors)
    )
  )
}

describe_death <- function(failure) {
  how <- if (is.null(failure$signal) || is.na(failure$signal)) {
    if (isTRUE(failure$exitcode >= 0L)) paste("exit code", failure$exitcode) else "exit code unknown"
  } else {
    paste("signal", failure$signal)
  }
  sprintf("element %d (pid %d, %s)", failure$index, failure$pid, how)
}
