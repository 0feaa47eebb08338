#' A pool of worker processes
#'
#' Workers wait in shared memory for jobs and claim their pieces by themselves: no dispatcher, no message per task. A
#' worker that dies costs the element that it was computing, nothing else, and is replaced.
#'
#' With start method `fork` the workers are copies of the session as it is when `Pool()` is called. `Pool()` waits for one
#' fork alone: that worker forks others, which fork others, while the session goes on. If the system refuses one of these,
#' the next call of a method says so (`ProcessError`) and the pool is terminated.
#'
#' What workers print appears here, in whole lines, while the session is in a call of this package. They have no input
#' (`readline()` gives `""`) and no screen: plots go to `Rplots.pdf` unless the function opens a device. Connections belong to
#' the process that opened them: open files and databases in the function, or in `initializer`.
#'
#' @param processes how many workers; `NULL`: [cpu_count()].
#' @param initializer,initargs a function that each worker calls when it starts, and the list of its arguments. If it fails,
#'   the worker prints why and ends, and after some more of these the next call is a `ProcessError`.
#' @param maxtasksperchild a worker is replaced by a fresh one after so many chunks; `NULL`: never.
#' @param context a start method, `"fork"` or `"spawn"`, or what [get_context()] gave; `NULL`: [get_start_method()].
#' @param retries how often an element whose worker died is computed again.
#' @param task_timeout seconds that one element may take; then its worker is killed and replaced, and the element gives a
#'   `TimeoutError`. `NULL`: no limit.
#' @param seed an integer: element i of every `map` draws its random numbers from L'Ecuyer stream i of that seed, whatever
#'   the workers, chunks and retries. `NULL`: workers are seeded by chance, whatever
#'   `set.seed()` says here.
#' @section Methods:
#' - `$map(func, iterable, chunksize = NULL, args = list(), ...)`: a list of `func(element)` with the names of `iterable`.
#'   `chunksize`: how many elements a worker takes at a time. `args` are further arguments of every call. Of `...` only
#'   these, by their full names: `template` (as `FUN.VALUE` of [vapply()]: the result is a vector), `progress` (`TRUE`: a bar,
#'   by package cli), `seed`, `retries`, `task_timeout`, `on_error` (`"stop"`: all elements are computed, then the first error
#'   is thrown; `"return"`: errors stand in the list in place of the values).
#' - `$starmap(func, iterable, chunksize = NULL, ...)`: elements are argument lists; the same options.
#' - `$apply(func, args = list())`: one call.
#' - `$imap(func, iterable, chunksize = 1L)`, `$imap_unordered()`: iterators with `$next_value(timeout = NULL)` (error
#'   `StopIteration` at the end), `$has_next()`; they work with `as.list()` and `iterators::nextElem()`, not with `for`. The
#'   options are the pool's. `iterable`
#'   may be lazy: an iterator, or a function that returns the next element and signals the end with
#'   `stop("StopIteration")`; it is pulled a few elements ahead of the workers only.
#' - `$apply_async()`, `$map_async()`, `$starmap_async()`: the same arguments, and back at once with an [AsyncResult]; also
#'   `callback` and `error_callback`, functions of the value and of the error.
#' - `$close()`: no more jobs; `$join(timeout = NULL)`: waits until the workers have left, and says invisibly whether they
#'   have; `$terminate()`: ends them now.
#' - `$status()`: a data frame with a row for each worker: `worker`, its number; `pid`, `NA` when it has left; `chunks`, how
#'   many it has computed.
#'
#' Without `chunksize` chunks are large first and small at the end, so that all workers are done at the same time.
#' Functions find the variables of the global environment that they need, with their present values, and the packages that
#' are attached; no main-guard is needed. Local functions take the variables around them along; an argument of the surrounding
#' function that was not evaluated so far is evaluated first.
#'
#' @section Large data:
#' Large numeric, logical, complex and raw vectors (from 256 kB on) that a function needs are placed in shared memory with
#' the first job that has them, wherever they lie: in variables of the global environment or around a local function, in lists,
#' data frames or objects in these, or in `args`. Workers read them there. Later jobs of the same pool find them again as long
#' as the data are the same, bit by bit; so what was changed meanwhile, even in place, arrives as it is now. Your own variables
#' stay as they are, ordinary vectors. The pool keeps what its latest job with such data needed, and up to 1 GB (or a
#' sixteenth of the machine's memory) of what others needed before; it gives that up when memory is short, and all of it when
#' it is closed. [share()] puts a value there once for all pools, and saves the comparison.
#'
#' @section Errors:
#' `TaskError` (an element failed; its own condition is `$parent`), `WorkerDiedError` (fields `index`, `pid`,
#' `signal`, `exitcode`; after `task_timeout` it is a `TimeoutError` as well), `ValueError` (bad arguments, a closed pool),
#' `EncodingError` (a value that cannot travel), `ProcessError` (workers that cannot start; the pool of another process),
#' `TimeoutError` (a process is stopped); all are explained in [multiprocessing-package].
#'
#' @return A handle (an R6 object) of class `Pool`.
#' @section Python: `multiprocessing.Pool(processes, initializer, initargs, maxtasksperchild)`.
#' @examples
#' pool <- Pool(2)
#' pool$map(function(x) x^2, 0:4, template = numeric(1))
#' pool$apply(paste, list("a", "b", sep = "-"))
#' it <- pool$imap(sqrt, c(1, 4, 9))
#' while (it$has_next()) print(it$next_value())
#' pool$terminate()
#'
#' with(Pool(2), NULL)
#' @export
Pool <- function(processes = NULL, initializer = NULL, initargs = list(), maxtasksperchild = NULL, context = NULL,
                 retries = 0L, task_timeout = NULL, seed = NULL) {
  if (is.null(processes)) processes <- cpu_count()
  check_count(processes, "processes", 1)
  if (processes > 1000) {
    abort("ValueError", sprintf("`processes` is %s: a session has room for 1,000 workers", format(processes)))
  }
  if (!is.null(initializer)) check_function(initializer, "initializer")
  check_list(initargs, "initargs")
  if (!is.null(maxtasksperchild)) check_count(maxtasksperchild, "maxtasksperchild", 1)
  settings <- list(
    processes = as.integer(processes), initializer = initializer, initargs = initargs,
    maxtasks = if (is.null(maxtasksperchild)) -1L else as.integer(maxtasksperchild), method = method_of(context),
    options = list(
      retries = check_retries(retries), task_timeout = check_seconds(task_timeout), seed = check_seed(seed),
      template = NULL, progress = FALSE, on_error = "stop"
    )
  )
  ptr <- pool_open(settings)
  PoolHandle$new(ptr, settings) # while the workers start
}

#' @param ... for `local_pool()` the arguments of `Pool()`; for `with()` not used.
#' @param envir the frame at whose end the pool is terminated.
#' @return `local_pool()` a pool that is terminated when the calling function ends.
#' @rdname Pool
#' @export
local_pool <- function(..., envir = parent.frame()) {
  pool <- Pool(...)
  end <- as.call(list(function() pool$terminate()))
  do.call(base::on.exit, list(end, add = TRUE), envir = envir)
  pool
}

#' @param data a pool.
#' @param expr an expression, evaluated in the frame of the caller; then the pool is terminated.
#' @rdname Pool
#' @export
with.Pool <- function(data, expr, ...) {
  on.exit(data$terminate())
  if (missing(expr)) missing_argument("expr")
  expr
}

PoolHandle <- R6::R6Class("Pool",
  cloneable = FALSE,
  public = list(
    initialize = function(ptr, settings) {
      private$ptr <- ptr
      private$settings <- settings
      private$pending <- new.env(parent = emptyenv())
      private$attached <- attached_packages()
    },
    map = function(func = required("func"), iterable = required("iterable"), chunksize = NULL, args = list(), ...) {
      job_value(pool_map(private, sys.call(), FALSE, func, iterable, chunksize, args, ...))
    },
    map_async = function(func = required("func"), iterable = required("iterable"), chunksize = NULL, args = list(), ...,
                         callback = NULL, error_callback = NULL) {
      async_result(self, private, pool_map(private, sys.call(), FALSE, func, iterable, chunksize, args, ...), callback, error_callback)
    },
    starmap = function(func = required("func"), iterable = required("iterable"), chunksize = NULL, ...) {
      job_value(pool_map(private, sys.call(), TRUE, func, iterable, chunksize, list(), ...))
    },
    starmap_async = function(func = required("func"), iterable = required("iterable"), chunksize = NULL, ...,
                             callback = NULL, error_callback = NULL) {
      async_result(self, private, pool_map(private, sys.call(), TRUE, func, iterable, chunksize, list(), ...), callback, error_callback)
    },
    apply = function(func = required("func"), args = list()) pool_apply(private, func, args),
    apply_async = function(func = required("func"), args = list(), callback = NULL, error_callback = NULL, ...) {
      async_result(self, private, pool_single(private, func, args, ...), callback, error_callback)
    },
    imap = function(func = required("func"), iterable = required("iterable"), chunksize = 1L, ...) {
      pool_imap(self, private, sys.call(), TRUE, func, iterable, chunksize, ...)
    },
    imap_unordered = function(func = required("func"), iterable = required("iterable"), chunksize = 1L, ...) {
      pool_imap(self, private, sys.call(), FALSE, func, iterable, chunksize, ...)
    },
    close = function() pool_shut(private),
    terminate = function() pool_end(private),
    join = function(timeout = NULL) pool_await_end(private, timeout),
    status = function() pool_status(private),
    format = function(...) pool_format(private),
    print = function(...) {
      cat(self$format(), "\n", sep = "")
      invisible(self)
    }
  ),
  private = list(ptr = NULL, settings = NULL, pending = NULL, attached = NULL, delivering = FALSE, attended = NULL)
)

pool_open <- function(settings) {
  options <- settings$options
  plain <- options$retries == 0L && is.null(options$task_timeout) && is.null(options$seed)
  ptr <- pool_create(settings$processes, function() worker_start(ptr, settings), plain)
  started <- FALSE
  on.exit(if (!started) pool_terminate(ptr)) # the system allows only some of them: none stays
  pool_start(ptr)
  started <- TRUE
  ptr
}

# How to start workers; called by the binding for the first ones and for those that replace others
worker_start <- function(ptr, settings) {
  what <- list(
    main = "worker_main", names = sprintf("PoolWorker-%d", seq_len(settings$processes)), parent = this_process(), sinks = settings$method == "fork" && has_sinks(),
    pool = pool_handle(ptr), maxtasks = settings$maxtasks, inherited = NULL,
    initializer = settings$initializer, initargs = settings$initargs
  )
  if (settings$method == "fork") {
    return(list(what = as.call(list(worker_main, what)), spawn = FALSE, silent = FALSE))
  }
  what$needs <- needs_of(c(settings$initializer, settings$initargs), fresh = TRUE)
  list(what = what, spawn = TRUE, silent = FALSE)
}

with_lane <- function(what, lane) {
  what$lane <- lane
  what
}

# --- options ---

# The options of one call, the pool's own where it has none
map_options <- function(private, method, ...) {
  options <- private$settings$options
  if (...length() == 0L) {
    return(options)
  }
  given <- list(...)
  unknown <- setdiff(if (is.null(names(given))) "" else names(given), names(options))
  if (length(unknown)) unknown_option(unknown[1L], method)
  options[names(given)] <- given
  options$retries <- check_retries(options$retries)
  options["task_timeout"] <- list(check_seconds(options$task_timeout))
  options["seed"] <- list(check_seed(options$seed))
  check_truth(options$progress, "progress")
  if (!identical(options$on_error, "stop") && !identical(options$on_error, "return")) {
    abort("ValueError", sprintf("`on_error` must be \"stop\" or \"return\", not %s", describe_value(options$on_error)))
  }
  options
}

option_names <- c("template", "progress", "seed", "retries", "task_timeout", "on_error")
method_names <- list(
  map = c("func", "iterable", "chunksize", "args", option_names),
  starmap = c("func", "iterable", "chunksize", option_names),
  imap = c("func", "iterable", "chunksize")
)

# R would match a part of a name to our own arguments: `i = 10` must not become `iterable`
check_names <- function(call, allowed, method) {
  given <- names(call)
  if (is.null(given)) {
    return(invisible())
  }
  unknown <- given[nzchar(given) & !given %in% allowed]
  if (length(unknown)) unknown_option(unknown[1L], method)
}

unknown_option <- function(name, method) {
  abort("ValueError", sprintf(
    "unknown argument %s of $%s(): %s; it takes, by their full names, %s",
    if (nzchar(name)) paste0("`", name, "`") else "without a name", method, further_arguments(method),
    paste0("`", method_names[[method]], "`", collapse = ", ")
  ))
}

# Where a user finds a place for them
further_arguments <- function(method) {
  switch(method,
    map = "further arguments of the function go into `args = list(...)`",
    starmap = "all arguments of the function are in the elements, such as list(1, b = 2)",
    imap = "further arguments go into the function, such as function(x) f(x, b = 2)"
  )
}

check_chunksize <- function(chunksize, method) {
  tryCatch(check_count(chunksize, "chunksize", 1), ValueError = function(e) {
    abort("ValueError", paste0(conditionMessage(e), "; ", further_arguments(method)))
  })
}

unused_argument <- function(...) {
  name <- names(substitute(list(...)))[2L]
  abort("ValueError", sprintf(
    "unknown argument %s: further arguments of the function go into `args = list(...)`",
    if (length(name) && !is.na(name) && nzchar(name)) paste0("`", name, "`") else "without a name"
  ))
}

check_retries <- function(retries, name = "retries") as.integer(check_count(retries, name))

check_seconds <- function(seconds) {
  if (is.null(seconds)) {
    return(NULL)
  }
  if (!is.numeric(seconds) || length(seconds) != 1L || is.na(seconds) || seconds <= 0) {
    abort("ValueError", sprintf("`task_timeout` must be a positive number of seconds, not %s", describe_value(seconds)))
  }
  seconds
}

# NULL, or the six words of an L'Ecuyer state
check_seed <- function(seed) {
  if (is.null(seed) || (is.integer(seed) && length(seed) == 7L)) {
    return(seed)
  }
  check_count(seed, "seed", -.Machine$integer.max)
  old <- get0(".Random.seed", globalenv(), inherits = FALSE)
  kinds <- RNGkind()
  on.exit({
    suppressWarnings(RNGkind(kinds[1L], kinds[2L], kinds[3L])) # of R 3.5's sampler
    if (is.null(old)) forget_random_state() else assign(".Random.seed", old, globalenv())
  })
  set.seed(as.integer(seed), "L'Ecuyer-CMRG", "Inversion", "Rejection")
  get(".Random.seed", globalenv())
}

# --- jobs ---

pool_apply <- function(private, func, args) {
  taken <- .Call(C_pool_call, private$ptr, func, args)
  if (is.null(taken)) {
    return(job_value(pool_single(private, func, args)))
  }
  if (length(private$pending)) deliver_callbacks(private)
  if (length(taken) == 2L) stop_failure(single_failure(taken[[2L]]))
  taken[[1L]]
}

pool_single <- function(.private, func, args, ...) {
  if (...length()) unused_argument(...)
  check_function(func, "func")
  check_list(args, "args")
  options <- .private$settings$options
  job <- pool_job(.private, func, list(args), 1, list(), TRUE, options, FALSE)
  job$single <- TRUE
  job
}

# What a user may have named in `...` matches none of our own arguments, not even by a part
pool_map <- function(.private, .call, .star, func, iterable, chunksize, args, ...) {
  method <- if (.star) "starmap" else "map"
  check_names(.call, c(method_names[[method]], "callback", "error_callback"), method)
  options <- map_options(.private, method, ...)
  check_function(func, "func")
  check_list(args, "args")
  if (!is.null(chunksize)) check_chunksize(chunksize, method)
  elements <- as_elements(iterable)
  if (.star && !all(vapply(elements, is.list, TRUE))) {
    if (!is.list(elements)) elements <- as.list(elements)
    elements <- lapply(elements, as.list)
  }
  job <- pool_job(.private, func, elements, if (is.null(chunksize)) 0 else chunksize, args, .star, options, FALSE)
  job$names <- names(iterable)
  job$options <- options
  job
}

# What lapply() would iterate over, without names
as_elements <- function(x) {
  if (is.function(x) || inherits(x, "iter")) {
    abort("ValueError", "`iterable` is lazy: $map() needs all elements; use $imap() or as.list()")
  }
  if (!is.vector(x) || is.object(x)) x <- as.list(x)
  if (!is.vector(x)) abort("ValueError", sprintf("`iterable` must be a vector or a list, not %s", describe_value(x)))
  if (is.expression(x)) x <- as.list(x)
  if (is.null(names(x))) x else unname(x)
}

pool_job <- function(private, func, elements, chunks, args, star, options, each) {
  needs <- needs_of(c(func, args), attached = private$attached)
  if (star && length(elements) == 1L) needs$globals <- c(needs$globals, globals_of(elements[[1L]]))
  body <- list(args, needs$globals, needs$packages, star, options$seed) # read by bind_worker.cpp and worker_frame()
  id <- pool_submit(
    private$ptr, func, body, elements, length(elements), chunks, integer(), options$retries,
    if (is.null(options$task_timeout)) 0 else options$task_timeout, each, if (has_places(options$template)) options$template
  )
  list(ptr = private$ptr, id = id, count = length(elements), private = private)
}

# Waits for a job of this call and takes its value; an interrupt cancels it.
job_value <- function(job) {
  taken <- NULL
  suspendInterrupts({ # there is no job that nobody would cancel
    force(job)
    on.exit(if (is.null(taken)) pool_cancel(job$ptr, job$id))
  })
  if (isTRUE(job$options$progress)) show_progress(job)
  taken <- pool_result(job$ptr, job$id)
  if (length(job$private$pending)) deliver_callbacks(job$private)
  outcome_value(job_outcome(job, taken))
}

show_progress <- function(job) {
  if (!requireNamespace("cli", quietly = TRUE)) {
    warning("`progress = TRUE` needs package cli: install.packages(\"cli\")", call. = FALSE)
    return(invisible())
  }
  bar <- cli::cli_progress_bar("Elements", total = job$count)
  while (!pool_wait(job$ptr, job$id, 0.1)) cli::cli_progress_update(set = pool_progress(job$ptr, job$id), id = bar)
  cli::cli_progress_done(id = bar)
}

# list(value) or list(error) of what pool_take() gave
job_outcome <- function(job, taken) {
  if (isTRUE(job$single)) {
    failure <- taken$failures[[1L]]
    return(if (is.null(failure)) list(value = taken$values[[1L]]) else list(error = single_failure(failure)))
  }
  failed <- if (taken$failed) which(lengths(taken$failures) > 0L)
  template <- job$options$template
  values <- taken$values
  if (has_places(template)) {
    if (!length(failed)) {
      return(list(value = shaped(values, template, taken$first, job$count, job$names)))
    }
    values <- places_as_list(values, template, job$count)
  }
  if (!is.null(job$names)) names(values) <- job$names # this copies the list
  if (length(failed)) {
    if (job$options$on_error == "stop") {
      return(list(error = first_failure(taken$failures, failed)))
    }
    values[failed] <- taken$failures[failed]
    return(list(value = values))
  }
  if (!is.null(template)) values <- in_our_class(vapply(values, identity, template, USE.NAMES = !is.null(job$names)))
  list(value = values)
}

first_failure <- function(failures, failed) {
  failure <- failures[[failed[1L]]]
  if (length(failed) > 1L) {
    failure$message <- sprintf("%s (and %d more of %d elements failed; on_error = \"return\" gives the others)",
      failure$message, length(failed) - 1L, length(failures))
  }
  failure
}

single_failure <- function(failure) {
  failure$message <- sub("^element 1 failed in", "the call failed in", failure$message)
  failure$message <- sub("^the worker of element 1 ", "the worker of the call ", failure$message)
  failure$message <- sub("^element 1 took", "the call took", failure$message)
  failure
}

outcome_value <- function(outcome) {
  if (!is.null(outcome$error)) stop_failure(outcome$error)
  outcome$value
}

# A terminal sends its Ctrl-C to workers, too. It may end an element that sleeps before we look: then it is an interrupt of
# ours, and no error.
stop_failure <- function(failure) {
  if (inherits(failure, "interrupted")) Sys.sleep(0) # R looks for one here
  stop(failure)
}

# --- the pool's end ---

pool_shut <- function(private) {
  pool_close(private$ptr)
  invisible(NULL)
}

pool_end <- function(private) {
  pool_terminate(private$ptr)
  if (!is.null(private$attended)) private$attended$pool <- NULL
  output_show()
  invisible(NULL)
}

pool_await_end <- function(private, timeout) {
  if (!pool_state(private$ptr)$closed) abort("ValueError", "the pool still takes jobs: $close() or $terminate() it before $join()")
  over <- pool_join(private$ptr, timeout)
  deliver_callbacks(private)
  invisible(over)
}

pool_status <- function(private) {
  state <- pool_state(private$ptr)
  data.frame(worker = seq_along(state$pids), pid = state$pids, chunks = state$chunks)
}

pool_format <- function(private) {
  state <- tryCatch(pool_state(private$ptr), ProcessError = function(e) NULL)
  if (is.null(state)) {
    return("<Pool of another process>")
  }
  sprintf(
    "<Pool of %d %s (%s, %s%s)>", length(state$pids), if (length(state$pids) == 1L) "worker" else "workers",
    private$settings$method, if (state$closed) "closed" else "running",
    if (state$unfinished > 0) sprintf(", %d unfinished", state$unfinished) else ""
  )
}
