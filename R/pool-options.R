# The options of the methods of a pool: checked, and the pool's own where a call has none.

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

# NULL, or R's state of an L'Ecuyer generator
check_seed <- function(seed) {
  if (is.null(seed) || (is.integer(seed) && length(seed) == 7L)) {
    return(seed)
  }
  first_stream(as.integer(check_count(seed, "seed", -.Machine$integer.max)))
}
