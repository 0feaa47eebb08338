# The options of the methods of a pool: checked, and the pool's own where a call has none.

option_names <- c("template", "progress", "seed", "retries", "task_timeout", "on_error")
option_is_missing <- lapply(option_names, function(name) call("missing", as.name(name)))

# The options of one call, the pool's own where it has none. `names`: of its arguments, as given_names() gave them
map_options <- function(private, names, frame) {
  options <- private$settings$options
  if (is.null(names)) {
    return(options)
  }
  given <- option_names[!vapply(option_is_missing, eval, TRUE, frame)]
  if (!length(given)) {
    return(options)
  }
  own <- options
  options[given] <- mget(given, frame)
  options$retries <- if (is.null(options$retries)) own$retries else check_retries(options$retries)
  options["task_timeout"] <- list(check_seconds(options$task_timeout))
  options["seed"] <- list(check_seed(options$seed))
  check_truth(options$progress, "progress")
  check_template(options$template)
  if (!identical(options$on_error, "stop") && !identical(options$on_error, "return")) {
    abort("ValueError", sprintf("`on_error` must be \"stop\" or \"return\", not %s", describe_value(options$on_error)))
  }
  options
}

# The names of the arguments of a call, also of those that `...` stands for, which its frame `caller` has or sees; NULL: none has a name
given_names <- function(call, caller) {
  given <- names(call)
  for (argument in as.list(call)) if (is.name(argument) && identical(argument, quote(...))) {
    return(c(given, eval(names_of_dots, caller)))
  }
  given
}
names_of_dots <- quote((function(...) names(substitute(list(...))))(...))

# The name of a type is not a value of that type
check_template <- function(template) {
  types <- c("numeric", "double", "integer", "character", "logical", "complex", "raw")
  if (!is.character(template) || length(template) != 1L || is.na(template) || !template %in% c(types, "list")) {
    return(invisible())
  }
  abort("ValueError", sprintf("`template` must be a value like the results, not the name of their type: %s", if (template == "list") {
    "leave it out, and the result is a list"
  } else {
    sprintf("write `template = %s(1)`", template)
  }))
}

sees_names <- c("globals", "packages") # see what_to_see()
method_names <- list(
  map = c("func", "iterable", "chunksize", "args", option_names, sees_names),
  map_async = c("func", "iterable", "chunksize", "args", option_names, "callback", "error_callback", sees_names),
  starmap = c("func", "iterable", "chunksize", option_names, sees_names),
  starmap_async = c("func", "iterable", "chunksize", option_names, "callback", "error_callback", sees_names),
  apply = c("func", "args", sees_names),
  apply_async = c("func", "args", "callback", "error_callback", sees_names),
  imap = c("func", "iterable", "chunksize", sees_names),
  imap_unordered = c("func", "iterable", "chunksize", sees_names)
)

# R would match a part of a name to our own arguments: `i = 10` must not become `iterable`
check_names <- function(given, method) {
  if (is.null(given)) {
    return(invisible())
  }
  unknown <- given[nzchar(given) & !given %in% method_names[[method]]]
  if (length(unknown)) unknown_option(unknown[1L], method)
}

unknown_option <- function(name, method) {
  known <- method_names[[method]]
  abort("ValueError", sprintf(
    "%s $%s(): %s; %s", unknown_argument(name), method, further_arguments(method, name),
    did_you_mean(name, known, paste0("it takes, by their full names, ", paste0("`", known, "`", collapse = ", ")))
  ))
}

# Tells users where to pass them
further_arguments <- function(method, name = "") {
  switch(sub("_async|_unordered", "", method),
    map = ,
    apply = if (nzchar(name) && method == "apply") {
      sprintf("arguments of the function go into `args = list(...)`, such as `args = list(%s = ...)`", name)
    } else {
      "further arguments of the function go into `args = list(...)`"
    },
    starmap = "all arguments of the function are in the elements, such as list(1, b = 2)",
    imap = "further arguments go into the function, such as function(x) f(x, b = 2)"
  )
}

unused_argument <- function(method, ...) unknown_option(first_name(...), method)

check_chunksize <- function(chunksize, method) {
  tryCatch(check_count(chunksize, "chunksize", 1), ValueError = function(e) {
    abort("ValueError", paste0(conditionMessage(e), "; ", further_arguments(method)))
  })
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
