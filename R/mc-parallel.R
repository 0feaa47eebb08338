#' Evaluate an expression in a forked process, and collect the result
#'
#' `mcparallel()` forks a process that evaluates `expr`, and returns at once; `mccollect()` waits for
#' the results of such jobs. They are drop-in replacements for [parallel::mcparallel()] and
#' [parallel::mccollect()]. [Process()] is Python's way to do the same.
#'
#' Differences to parallel, apart from those of [mclapply()]'s output:
#' 1. A job whose process died gives a `try-error` with a `WorkerDiedError` (fields `pid`, `signal`,
#'    `exitcode`) as its condition, next to the warning that parallel gives too; parallel gives
#'    `NULL`.
#' 2. Collecting jobs twice, or jobs that this session never had, gives one warning for each job.
#' 3. A job has an element `fd` as in parallel, but it is `NA`: results do not travel through a
#'    descriptor of the job's own.
#' 4. Functions of parallel that ask for its jobs (its `mccollect()`, and the internal `selectChildren()`
#'    and `readChild()`) refuse such a job with a `ValueError`. The `mccollect()` of this package also
#'    takes jobs that parallel's own functions started.
#' 5. `intermediate` is called twice for each job, once for its result and once for its end; parallel
#'    calls it once for jobs that end in the same moment.
#' 6. A detached job, too, ends when the session does: nothing that was started here outlives the
#'    session.
#'
#' @param expr The expression to evaluate, in the frame that `mcparallel()` is called from as it is
#'   at that time.
#' @param name A name for the result, or `NULL`.
#' @param mc.set.seed Whether the job gets a random stream of its own (with
#'   `RNGkind("L'Ecuyer-CMRG")` the next one of the sequence that [mc.reset.stream()] starts,
#'   otherwise a random seed), or continues from the session's random state.
#' @param silent `TRUE` drops what the job writes to standard output; standard error is not
#'   affected.
#' @param mc.affinity `NULL`, or the CPUs (numbers from 1) on which the job may run, see
#'   [mcaffinity()].
#' @param mc.interactive What [interactive()] is in the job: `TRUE`, `FALSE`, or `NA` for what it is
#'   in the session.
#' @param detached `TRUE` for a job whose result is not needed: it cannot be collected.
#' @returns `mcparallel()`: a job, of class `c("parallelJob", "childProcess", "process")`, with
#'   elements `pid`, `fd` and, if given, `name`. `mccollect()`: a list of results, named by the
#'   jobs' names or else pids (by pids if a single job was given that is not in a list), in the
#'   order of `jobs`; `NULL` if there are no jobs or, with `wait = FALSE`, no results yet. A job
#'   that failed gives a `try-error`.
#' @section Errors: `ValueError` if `jobs` is not a job, a list of jobs or a vector of pids.
#' @seealso [mclapply()], [Process()]
#' @concept background job
#' @concept asynchronous
#' @concept fork
#' @examples
#' job <- mcparallel(sum(1:10), name = "total")
#' mccollect(list(job))
#'
#' # a job that draws the session's next random number, and knows that no user answers in it
#' set.seed(1)
#' job <- mcparallel(list(runif(1), interactive()), mc.set.seed = FALSE, mc.interactive = FALSE)
#' str(mccollect(job)[[1]])
#'
#' jobs <- lapply(1:3, function(i) mcparallel(i^2))
#' unlist(mccollect(jobs), use.names = FALSE)
#'
#' # a job without a result that is needed
#' file <- tempfile()
#' job <- mcparallel(writeLines("done", file), detached = TRUE)
#'
#' # at most ten seconds for the first result, which may be all that is needed
#' job <- mcparallel(Sys.getpid(), mc.affinity = mcaffinity()[1], silent = TRUE)
#' identical(mccollect(job, wait = FALSE, timeout = 10)[[1]], job$pid)
#' # see each result as it arrives
#' jobs <- list(mcparallel("one"), mcparallel("two"))
#' count <- function(results) cat(sum(lengths(results) > 0), "available\n")
#' invisible(mccollect(jobs, intermediate = count))
#' @export
mcparallel <- function(expr, name, mc.set.seed = TRUE, silent = FALSE, mc.affinity = NULL, mc.interactive = FALSE,
                       detached = FALSE) {
  env <- parent.frame()
  start <- next_start(mc.set.seed)
  # `expr` is a promise that the job forces: `eval(expr, env)` is the call that users read in its errors, as in parallel
  run <- function() {
    start_stream(start)
    set_interactive(mc.interactive)
    eval(expr, env)
  }
  suspendInterrupts({ # no Ctrl-C between starting the job and recording it
    job <- job_start(run, silent = isTRUE(silent), affinity = mc.affinity)
    remember_job(job, detached)
  })

  handle <- list(pid = job$pid, fd = c(NA_integer_, NA_integer_))
  if (!missing(name) && !is.null(name)) handle$name <- as.character(name)[1L]
  structure(handle, class = c("parallelJob", if (isTRUE(detached)) "estrangedProcess" else "childProcess", "process"))
}

#' @rdname mcparallel
#' @param jobs A job, a list of jobs, or a vector of their pids; by default all that were not
#'   collected yet, the newest first.
#' @param wait Whether to wait until all jobs have finished. `FALSE` returns the results of those
#'   that have, if any.
#' @param timeout With `wait = FALSE`: how many seconds to wait for the first result; 0, the default: do not wait;
#'   negative: without a limit.
#' @param intermediate With `wait = TRUE`: a function that is called with the list of results each
#'   time one arrives, or `TRUE` for [utils::str()].
#' @export
mccollect <- function(jobs, wait = TRUE, timeout = 0, intermediate = FALSE) {
  if (missing(jobs)) jobs <- c(rev(as.integer(names(known_jobs()))), parallels_jobs())
  if (!length(jobs)) {
    return(NULL)
  }
  if (isTRUE(intermediate)) intermediate <- utils::str
  pids <- job_pids(jobs)
  if (!length(pids)) {
    return(NULL)
  }
  theirs <- if (!all(pids %in% names(known_jobs()))) intersect(pids, as.character(parallels_jobs()))
  for (pid in setdiff(pids, c(names(known_jobs()), theirs))) {
    warning(sprintf("cannot wait for child %s as it does not exist", pid))
  }
  labels <- job_names(jobs, pids)
  res <- if (wait) {
    collect_all(pids, labels, theirs, intermediate)
  } else {
    collect_finished(pids, labels, theirs, timeout)
  }
  missing_results <- attr(res, "missing")
  attr(res, "missing") <- NULL
  if (missing_results > 0L) {
    warning(sprintf(
      ngettext(
        missing_results, "%d parallel job did not deliver a result",
        "%d parallel jobs did not deliver results"
      ),
      missing_results
    ), domain = NA)
  }
  if (length(res)) res else NULL
}

# Jobs of this process, by pid in the order of their start. A forked child inherits the list and
# starts with an empty one.
known_jobs <- function() {
  if (!identical(mc_state$jobs_of, Sys.getpid())) {
    mc_state$jobs_of <- Sys.getpid()
    mc_state$jobs <- list()
    mc_state$detached <- list()
  }
  mc_state$jobs
}

remember_job <- function(job, detached) {
  known_jobs()
  if (isTRUE(detached)) {
    running <- Filter(function(other) !job_poll(list(other), 0), mc_state$detached)
    mc_state$detached <- c(running, list(job))
  } else {
    mc_state$jobs[[as.character(job$pid)]] <- job
  }
}

# parallel's selectChildren(), readChild() and so on ask a job for its pid, do not find that among their own children, and
# answer as if the job had ended. So they are refused; parallel's own jobs have the same class, and are accepted.
#' @export
`$.parallelJob` <- function(x, name) {
  value <- .subset2(x, name, exact = FALSE)
  if (is_ours(x) && identical(topenv(parent.frame()), parallel_namespace)) {
    abort("ValueError", sprintf(
      "package parallel cannot ask for job %d, which multiprocessing::mcparallel() started: use multiprocessing::mccollect()",
      .subset2(x, "pid")
    ))
  }
  value
}

is_ours <- function(job) as.character(.subset2(job, "pid")) %in% c(names(known_jobs()), vapply(mc_state$detached, function(other) as.character(other$pid), ""))

# Pids as text: they index the list of jobs and name the results
job_pids <- function(jobs) {
  if (inherits(jobs, "process")) {
    return(as.character(jobs$pid))
  }
  if (is.list(jobs)) {
    if (!all(vapply(jobs, inherits, TRUE, "process"))) {
      abort("ValueError", sprintf("'process' must be of class %s", dQuote("process")))
    }
    return(as.character(unlist(lapply(jobs, `[[`, "pid"))))
  }
  if (!is.numeric(jobs)) abort("ValueError", "invalid 'jobs' argument")
  as.character(as.integer(jobs))
}

job_names <- function(jobs, pids) {
  if (inherits(jobs, "process") || !is.list(jobs)) {
    return(pids)
  }
  given <- lapply(jobs, `[[`, "name")
  has_name <- lengths(given) > 0L
  pids[has_name] <- vapply(given[has_name], function(name) as.character(name)[1L], "")
  pids
}

# Of a finished job: list(value or try-error), and whether a result was delivered. Jobs leave the list only when all
# results that were asked for are available: after a Ctrl-C they can be collected again.
result_of <- function(pid) {
  result <- job_result(mc_state$jobs[[pid]])
  if (is.null(result$failure)) {
    list(value = list(result$value), delivered = TRUE)
  } else {
    list(value = list(as_try_error(result$failure)), delivered = !has_died(result$failure))
  }
}

collect_all <- function(pids, labels, theirs, intermediate) {
  res <- vector("list", length(pids))
  names(res) <- labels
  open <- intersect(pids, names(known_jobs()))
  delivered <- 0L
  while (length(open)) {
    finished <- open[job_poll(mc_state$jobs[open], NULL)]
    for (pid in finished) {
      taken <- result_of(pid)
      res[pids == pid] <- taken$value
      delivered <- delivered + taken$delivered
      # parallel hears of a result, then of the end of its process
      if (is.function(intermediate)) for (k in seq_len(1L + taken$delivered)) intermediate(res)
    }
    open <- setdiff(open, finished)
  }
  while (length(theirs) && length(ready <- parallels_ready(theirs, -1))) {
    for (pid in ready) {
      sent <- parallels_own("readChild")(as.integer(pid))
      if (is.raw(sent)) {
        res[pids == pid] <- list(unserialize(sent))
        delivered <- delivered + 1L
      } else {
        theirs <- setdiff(theirs, pid)
      }
    }
    if (is.function(intermediate)) intermediate(res)
  }
  mc_state$jobs[pids] <- NULL
  structure(res, missing = length(pids) - delivered)
}

collect_finished <- function(pids, labels, theirs, timeout) {
  open <- intersect(pids, names(known_jobs()))
  deadline <- Sys.time() + timeout
  repeat {
    both <- length(theirs) && length(open) # both kinds are polled in turn
    limit <- if (both) 0.01 else timeout
    finished <- if (length(open)) open[job_poll(mc_state$jobs[open], if (limit >= 0) limit)]
    ready <- if (length(theirs)) parallels_ready(theirs, if (both) 0 else timeout)
    if (!both || length(finished) || length(ready) || (timeout >= 0 && Sys.time() >= deadline)) break
  }
  taken <- lapply(finished, result_of)
  mc_state$jobs[finished] <- NULL
  taken <- c(taken, lapply(ready, function(pid) {
    sent <- parallels_own("readChild")(as.integer(pid))
    if (is.raw(sent)) parallels_own("rmChild")(as.integer(pid))
    list(value = list(if (is.raw(sent)) unserialize(sent)), delivered = is.raw(sent))
  }))
  res <- lapply(taken, function(one) one$value[[1L]])
  names(res) <- labels[match(c(finished, ready), pids)]
  structure(res, missing = sum(!vapply(taken, `[[`, TRUE, "delivered")))
}

# --- jobs that parallel's own functions have forked ---

parallels_jobs <- function() vapply(parallels_own("children")(), function(child) child$pid, 1L)

parallels_ready <- function(pids, timeout) {
  ready <- parallels_own("selectChildren")(as.integer(pids), timeout)
  if (is.integer(ready)) as.character(ready)
}
