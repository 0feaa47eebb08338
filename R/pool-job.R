# Jobs of a pool: created from the arguments of its methods, awaited, and turned into results.

pool_apply <- function(private, func, args, sees) {
  if (private$shut) refuse_if_shut(private)
  taken <- if (is.null(sees)) .Call(`_multiprocessing_pool_call`, private$ptr, func, args, private$spawns)
  if (is.null(taken)) {
    return(job_value(pool_single(private, func, args, sees)))
  }
  if (length(private$pending)) deliver_callbacks(private)
  if (length(taken) == 2L) raise(taken[[2L]])
  taken[[1L]]
}

pool_single <- function(.private, func, args, sees = NULL) {
  refuse_if_shut(.private)
  check_function(func, "func")
  check_list(args, "args")
  options <- .private$settings$options
  job <- pool_job(.private, func, list(args), 1, list(), "call", options, FALSE, sees)
  job$single <- TRUE
  job
}

# `frame`: of the method that the user called by `call`, from the frame `caller`; `...`: what matches none of its arguments
pool_map <- function(.private, .method, .call, .frame, .caller, ...) {
  star <- startsWith(.method, "starmap")
  names <- given_names(.call, .caller)
  check_names(names, .method)
  refuse_if_shut(.private)
  if (...length()) unknown_option(first_name(...), .method)
  options <- map_options(.private, names, .frame)
  func <- function_argument(.frame, "func", .caller)
  args <- if (star) list() else .frame$args
  check_list(args, "args")
  chunksize <- .frame$chunksize
  if (!is.null(chunksize)) check_chunksize(chunksize, .method)
  if (eval(quote(missing(iterable)), .frame)) missing_argument("iterable")
  iterable <- .frame$iterable
  elements <- as_elements(iterable)
  labels <- names(elements)
  elements <- unname(elements)
  if (star) elements <- argument_lists(elements, func)
  sees <- what_to_see(.frame$globals, .frame$packages, .caller)
  given <- if (star) "calls" else "values"
  job <- pool_job(.private, func, elements, if (is.null(chunksize)) 0 else chunksize, args, given, options, FALSE, sees)
  job$names <- labels
  job$options <- options
  job
}

# The elements of starmap(), each a list of the arguments of one call. Two habits from other functions would fail in every
# element, so they are errors at once: a plain vector, and the arguments as columns, as zip() and mapply() take them.
argument_lists <- function(elements, func) {
  limits <- argument_count(func)
  counts <- lengths(elements)
  how <- "each element of `iterable` must be the list of the arguments of one call"
  pairs <- "list(list(1, 2), list(3, 4)); Map(list, x, y) makes it of the vectors x and y"
  if (is.atomic(elements) && length(elements) && limits[1L] > 1L) {
    abort("ValueError", sprintf(
      "%s, not one value, as `func` needs %d arguments: write %s", how, limits[1L], pairs
    ))
  }
  if (length(elements) && all(counts > limits[2L])) {
    abort("ValueError", sprintf(
      "%s: `func` takes %d, element 1 has %d; write %s", how, limits[2L], counts[1L], pairs
    ))
  }
  if (all(vapply(elements, is.list, TRUE))) {
    return(elements)
  }
  lapply(as.list(elements), as.list)
}

# The least and the largest number of arguments that a function takes, as far as this can be known
argument_count <- function(func) {
  formals <- formals(if (is.primitive(func)) args(func) else func)
  if (is.primitive(func) || "..." %in% names(formals)) {
    return(c(0, Inf))
  }
  c(sum(vapply(formals, function(f) is.name(f) && !nzchar(as.character(f)), TRUE)), length(formals))
}

# What lapply() would iterate over, with the names that it would give its result
as_elements <- function(x) {
  if (is.vector(x) && !is.object(x) && !is.expression(x)) {
    return(x)
  }
  if (is.function(x) || inherits(x, "iter")) {
    abort("ValueError", "`iterable` is lazy: $map() needs all elements; use $imap(), as.list(), or `buffersize` of an executor's $map()")
  }
  plain_elements(in_our_class(as.list(x)))
}

# as.list() keeps some classes, which have methods of their own for `length()` and `[[`
plain_elements <- function(x) if (is.vector(x) && !is.object(x)) x else in_our_class(lapply(x, function(element) element))

# `given`: what users know as the elements, see src/pool/element_names.h; `before`: how many of them went with earlier jobs.
# `sees`: what what_to_see() gave
pool_job <- function(private, func, elements, chunks, args, given, options, each, sees = NULL, before = 0L) {
  star <- given != "values" # each element is a list of arguments
  if (!private$spawns && is.null(sees) && !is.primitive(func)) func <- inherited_function(private$ptr, func)
  force_locals(c(func, args, if (star && length(elements) == 1L) elements[[1L]]))
  needs <- job_needs(private, func, args, elements, sees)
  body <- job_body(
    args, if (length(needs)) needs[[1L]], if (length(needs) > 1L) needs[-1L], star, options$seed,
    if (isFALSE(sees$globals)) FALSE
  )
  id <- pool_submit(
    private$ptr, func, body, elements, length(elements), chunks, integer(), options$retries,
    if (is.null(options$task_timeout)) 0 else options$task_timeout, each,
    if (fits_slots(options$template)) options$template, given, before
  )
  list(ptr = private$ptr, id = id, count = length(elements), private = private)
}

# Waits for a job of this call and takes its value; an interrupt cancels it.
job_value <- function(job) {
  taken <- NULL
  suspendInterrupts({ # no Ctrl-C between submitting the job and being ready to cancel it
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

# list(value) or list(error), from what pool_take() gave
job_outcome <- function(job, taken) {
  if (isTRUE(job$single)) {
    failure <- taken$failures[[1L]]
    return(if (is.null(failure)) list(value = taken$values[[1L]]) else list(error = failure))
  }
  if (isTRUE(job$whole)) {
    return(list(value = taken))
  }
  failed <- if (taken$failed) which(lengths(taken$failures) > 0L)
  template <- job$options$template
  values <- taken$values
  if (fits_slots(template)) {
    if (!length(failed)) {
      return(list(value = shaped(values, template, taken$first, job$count, job$names)))
    }
    values <- slots_as_list(values, template, job$count)
  }
  if (!is.null(job$names)) names(values) <- job$names # this copies the list
  if (length(failed)) {
    wrong <- failed[vapply(taken$failures[failed], function(failure) isTRUE(failure$unfit), TRUE)]
    for (i in wrong) taken$failures[[i]]$message <- unfit(taken$failures[[i]]$message, template)
    if (job$options$on_error == "stop") {
      return(list(error = first_failure(taken$failures, failed)))
    }
    values[failed] <- taken$failures[failed]
    return(list(value = values))
  }
  if (!is.null(template)) {
    values <- tryCatch(vapply(values, identity, template, USE.NAMES = !is.null(job$names)), error = function(e) {
      abort("ValueError", unfit(conditionMessage(e), template))
    })
  }
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

outcome_value <- function(outcome) {
  if (!is.null(outcome$error)) raise(outcome$error)
  outcome$value
}
