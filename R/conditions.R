# Every error is a multiprocessing_error, then a class with the name that Python gives it.

abort <- function(class, message, ..., call = user_call()) {
  stop(new_condition(error_classes(class), message, ..., call = call))
}

error_classes <- function(class) {
  c(class, if (identical(class, "BrokenProcessPool")) "ProcessError", "multiprocessing_error", "error")
}

# Signals an error that was created earlier. Its call is the one in which the user receives it.
raise <- function(condition) {
  classes <- class(condition)
  condition <- unclass(condition)
  if (is.null(condition$call)) condition["call"] <- list(user_call())
  class(condition) <- classes
  stop(condition)
}

new_condition <- function(class, message, ..., call = NULL) {
  structure(class = c(class, "condition"), list(message = message, call = call, ...))
}

# One string, whatever the condition has for a message; a method of its class may fail.
message_of <- function(condition) {
  text <- tryCatch(as.character(conditionMessage(condition)), error = function(e) "an error without a readable message")
  paste(text, collapse = "\n")
}

# An error of a task inherits the classes of the task's condition; their methods do not know our fields.
#' @export
conditionMessage.multiprocessing_error <- function(c) c$message

# --- what went wrong with an element: `name` in its user's words ("element 3", "the call"), `index` among all elements of the call ---

# What a worker sent as its error: list(condition, traceback, pid, hint)
task_failure <- function(name, index, sent) {
  parent <- sent[[1L]]
  message <- sprintf("%s failed in process %d: %s", name, sent[[3L]], message_of(parent))
  call <- tryCatch(conditionCall(parent), error = function(e) NULL)
  if (!is.null(call)) {
    message <- sprintf("%s (in `%s`)", message, deparse(call, nlines = 1L)[1L])
  }
  message <- with_hint(message, sent[[4L]])
  classes <- setdiff(class(parent), c("simpleError", "error", "condition", "multiprocessing_error"))
  new_condition(
    c("TaskError", "multiprocessing_error", classes, "error"), message,
    index = index, pid = sent[[3L]], traceback = sent[[2L]], parent = parent
  )
}

with_hint <- function(message, hint) if (is.null(hint)) message else paste0(message, "; ", hint)

# An element that was computed, and whose value this process cannot read
unreadable_result <- function(name, index, problem) {
  new_condition(
    c("EncodingError", "multiprocessing_error", "error"), sprintf("the result of %s cannot be read: %s", name, problem),
    index = index
  )
}

# A worker that has died: `status` is its exit code, or -signal. `limit`: we killed it after this many seconds, its
# task_timeout. `tries`: how often the element was given to a worker. `reading`: it died as it read what all elements of
# the job need: the function and its arguments, and elements that travel in one piece.
death_of_worker <- function(name, index, pid, status, limit, peak = NA_real_, tries = 1L, reading = FALSE) {
  tried <- if (tries > 1L) sprintf(", the last of %d tries", tries) else ""
  if (limit > 0) {
    return(died(index, pid, status, limit, peak, sprintf(
      "%s took longer than %s%s%s; its worker (pid %d) was replaced; raise `task_timeout` or make the element smaller",
      name, in_seconds(limit), if (reading) " before its function was read" else "", tried, pid
    )))
  }
  died(index, pid, status, limit, peak, sprintf(
    "the worker of %s (pid %d%s) %s%s%s%s; %s", name, pid, peak_memory(peak), way_to_die(status),
    if (reading) " while it read the function" else "", tried, memory_hint(status), if (isTRUE(status >= 0L)) {
      "a task must not end its process: let it return a value or call stop() in place of quit()"
    } else if (tries > 1L) {
      sprintf("`retries = %d` did not help: the element itself seems to end its worker", tries - 1L)
    } else {
      "set `retries` (`mc.retry` in mclapply()) to recompute such elements"
    }
  ))
}

# The same for the elements of a job whose function (or other data that all of them need) no worker could read: this many
# `workers` in a row died while reading it.
deaths_of_readers <- function(names, indices, pid, status, limit, peak, workers) {
  how <- if (limit > 0) {
    sprintf("took longer than %s and was replaced", in_seconds(limit))
  } else {
    paste0(way_to_die(status), memory_hint(status))
  }
  messages <- sprintf(
    "%s was not computed: %d workers in a row died while they read the function; the last one (pid %d%s) %s",
    names, workers, pid, peak_memory(peak), how
  )
  .mapply(function(index, message) died(index, pid, status, limit, peak, message), list(indices, messages), NULL)
}

died <- function(index, pid, status, limit, peak, message) {
  known <- limit == 0
  new_condition(
    c(if (!known) "TimeoutError", "WorkerDiedError", "multiprocessing_error", "error"), message,
    index = index, pid = pid, signal = if (known && isTRUE(status < 0L)) -status else NA_integer_,
    exitcode = if (known && isTRUE(status >= 0L)) status else NA_integer_, peak_memory = peak
  )
}

# `status`: NA if other code has taken its exit state from the system
way_to_die <- function(status) {
  if (is.na(status)) {
    "ended before it had a result, and other code of this session took its exit state (by waiting for any child)"
  } else if (status < 0L) {
    sprintf("was killed by signal %d (%s)", -status, signal_name(-status))
  } else {
    sprintf("ended with exit code %d before it had a result", status)
  }
}

memory_hint <- function(status) {
  if (isTRUE(status == -9L)) "; if it was not killed on purpose, the system probably ran out of memory" else ""
}

peak_memory <- function(peak) if (is.na(peak)) "" else sprintf(", peak memory %.0f MB", peak / 1024^2)

# The same for an argument of compiled code; may be one of our handles. Called by the binding.
describe_given <- function(x) {
  if (inherits(x, "multiprocessing_handle")) {
    name <- sub("^multiprocessing_", "", class(x)[1L])
    return(sprintf("%s %s()", if (grepl("^[AEIOU]", name)) "an" else "a", name))
  }
  if (typeof(x) == "externalptr") "an external pointer" else describe_value(x)
}

# The error of compiled code that this function called. Called by the binding.
condition_of_compiled_code <- function(class, message) {
  call <- if (sys.nframe() > 1L) sys.call(sys.nframe() - 1L)
  new_condition(error_classes(class), message, call = call)
}

in_seconds <- function(seconds) sprintf("%s %s", format(seconds), if (seconds == 1) "second" else "seconds")

# The part of an error message that names the limit of a wait
waited <- function(timeout) {
  if (!is.numeric(timeout) || timeout <= 0) {
    return("")
  }
  unit <- if (timeout == 1) "second" else "seconds"
  sprintf(" after %s %s; raise `timeout` to wait longer", format(timeout), unit)
}

signal_name <- function(signal) {
  known <- c(
    SIGHUP = 1L, SIGINT = 2L, SIGQUIT = 3L, SIGILL = 4L, SIGTRAP = 5L, SIGABRT = 6L, SIGBUS = 7L, SIGFPE = 8L,
    SIGKILL = 9L, SIGUSR1 = 10L, SIGSEGV = 11L, SIGUSR2 = 12L, SIGPIPE = 13L, SIGALRM = 14L, SIGTERM = 15L
  )
  name <- names(known)[match(signal, known)]
  if (is.na(name)) "an unknown signal" else name
}

# R's own errors about arguments have none of our classes. This is the default of a required argument; it costs nothing
# when the argument is given.
required <- function(name) missing_argument(name)

# The same where the documented usage should show no default: `if (missing(x)) missing_argument("x")`
missing_argument <- function(name) {
  abort("ValueError", sprintf("argument \"%s\" is missing, with no default", name))
}

# Turns R's error about an argument into one of our class: `expr` is a call of base R that checks the argument.
in_our_class <- function(expr) {
  tryCatch(expr, error = function(e) {
    if (inherits(e, "multiprocessing_error")) raise(e)
    abort("ValueError", conditionMessage(e))
  })
}

check_count <- function(x, name, min = 0, remedy = "") {
  if (!is.numeric(x) || length(x) != 1L || is.na(x) || x < min || x != trunc(x) || !is.finite(x)) {
    abort("ValueError", sprintf(
      "`%s` must be one whole number >= %s, not %s%s", name, format(min), describe_value(x), remedy
    ))
  }
  invisible(x)
}

check_flag <- function(x, name) {
  if (!is.logical(x) || length(x) != 1L || is.na(x)) {
    abort("ValueError", sprintf("`%s` must be TRUE or FALSE, not %s", name, describe_value(x)))
  }
  x
}

# A value that `if (x)` accepts
check_truth <- function(x, name) {
  if (!(is.logical(x) || is.numeric(x)) || length(x) != 1L || is.na(x)) {
    abort("ValueError", sprintf("`%s` must be TRUE or FALSE, not %s", name, describe_value(x)))
  }
  x
}

check_function <- function(x, name) {
  if (missing(x)) missing_argument(name)
  if (is.function(x)) {
    return(invisible(x))
  }
  hint <- if (inherits(x, "formula")) {
    "; write \\(x) or function(x) before the code"
  } else if (is.character(x) && length(x) == 1L && is_function_name(x)) {
    sprintf("; give the function itself, `%s = %s`", name, x)
  } else {
    "; give the function itself, not what a call of it returns: its arguments are given apart from it"
  }
  abort("ValueError", sprintf("`%s` must be a function, not %s%s", name, describe_value(x), hint))
}

is_function_name <- function(x) {
  !is.na(x) && nzchar(x) && (grepl("^[A-Za-z.][A-Za-z0-9.]*:::?[A-Za-z._0-9]+$", x) || exists(x, globalenv(), mode = "function"))
}

# The function that a caller passed as `name`. Otherwise one that does not exist would be R's error in our own frame.
function_argument <- function(frame, name, caller) {
  if (eval(call("missing", as.name(name)), frame)) missing_argument(name)
  given <- eval(call("substitute", as.name(name)), frame)
  # lapply() and others hand on arguments of frames around theirs
  is_there <- function(frame) exists(as.character(given), envir = frame)
  if (is.name(given) && !is_there(caller) && !any(vapply(sys.frames(), is_there, TRUE))) {
    abort("ValueError", sprintf("`%s`: there is no function or variable `%s`", name, as.character(given)))
  }
  check_function(frame[[name]], name)
}

check_list <- function(x, name) {
  if (!is.list(x) || (is.object(x) && !inherits(x, "Pipe"))) {
    abort("ValueError", sprintf(
      "`%s` must be a list of arguments such as list(1, b = 2), not %s", name, describe_value(x)
    ))
  }
  invisible(x)
}

describe_value <- function(x) {
  if (is.null(x)) {
    return("NULL")
  }
  if (inherits(x, "formula")) {
    return(paste("the formula", deparse(x, nlines = 1L)[1L]))
  }
  if (is.atomic(x) && length(x) == 1L && !is.object(x)) {
    return(deparse(x, nlines = 1L)[1L])
  }
  sprintf("%s of length %d", class(x)[1L], length(x))
}
