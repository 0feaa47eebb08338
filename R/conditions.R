# Every error is a multiprocessing_error, then a class with the name that Python gives it.

abort <- function(class, message, ..., call = NULL) {
  stop(new_condition(c(class, "multiprocessing_error", "error"), message, ..., call = call))
}

new_condition <- function(class, message, ..., call = NULL) {
  structure(class = c(class, "condition"), list(message = message, call = call, ...))
}

# One string, whatever the condition has for a message; a method of its class may fail.
message_of <- function(condition) {
  text <- tryCatch(as.character(conditionMessage(condition)), error = function(e) "an error without a readable message")
  paste(text, collapse = "\n")
}

# An error of a task inherits the classes of the task's condition, whose methods do not know what we add
#' @export
conditionMessage.multiprocessing_error <- function(c) c$message

# What a worker sent as the error of element `index`: list(condition, traceback, pid)
task_failure <- function(index, sent) {
  parent <- sent[[1L]]
  message <- sprintf("element %d failed in process %d: %s", index, sent[[3L]], message_of(parent))
  call <- tryCatch(conditionCall(parent), error = function(e) NULL)
  if (!is.null(call)) {
    message <- sprintf("%s (in `%s`)", message, deparse(call, nlines = 1L)[1L])
  }
  classes <- setdiff(class(parent), c("simpleError", "error", "condition", "multiprocessing_error"))
  new_condition(
    c("TaskError", "multiprocessing_error", classes, "error"), message,
    index = index, pid = sent[[3L]], traceback = sent[[2L]], parent = parent
  )
}

# A worker that is gone: `status` is its exit code, or -signal. `limit`: we killed it after so many seconds, its
# task_timeout.
death_of_worker <- function(index, pid, status, limit, peak = NA_real_) {
  if (limit > 0) {
    return(new_condition(
      c("TimeoutError", "WorkerDiedError", "multiprocessing_error", "error"),
      sprintf(
        paste0(
          "element %d took longer than %s %s; its worker (pid %d) was replaced; raise `task_timeout` or ",
          "make the element smaller"
        ),
        index, format(limit), if (limit == 1) "second" else "seconds", pid
      ),
      index = index, pid = pid, signal = NA_integer_, exitcode = NA_integer_, peak_memory = peak
    ))
  }
  signal <- if (status < 0L) -status else NA_integer_
  how <- if (status < 0L) {
    sprintf("was killed by signal %d (%s)%s", signal, signal_name(signal), if (signal == 9L) {
      "; if nobody sent it, the system may have run out of memory"
    } else {
      ""
    })
  } else {
    sprintf("ended with exit code %d before it had a result", status)
  }
  memory <- if (is.na(peak)) "" else sprintf(", peak memory %.0f MB", peak / 1024^2)
  new_condition(
    c("WorkerDiedError", "multiprocessing_error", "error"),
    sprintf(
      "the worker of element %d (pid %d%s) %s; `retries` (`mc.retry` of mclapply) computes such an element again",
      index, pid, memory, how
    ),
    index = index, pid = pid, signal = signal, exitcode = if (status < 0L) NA_integer_ else status, peak_memory = peak
  )
}

# What an error says of the limit that a wait had
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

# R's own errors about arguments are of no class of ours. This is the default of an argument that must be given: it
# costs nothing if it is.
required <- function(name) missing_argument(name, sys.call(sys.parent()))

# The same for functions whose arguments stand in the documentation: `if (missing(x)) missing_argument("x")`
missing_argument <- function(name, call = sys.call(-1L)) {
  where <- deparse(call, nlines = 1L)[1L]
  abort("ValueError", sprintf("argument \"%s\" is missing, with no default (in `%s`)", name, where))
}

# What R finds wrong with an argument, as an error of ours: `expr` is a call of base R's that checks
in_our_class <- function(expr) {
  tryCatch(expr, error = function(e) {
    if (inherits(e, "multiprocessing_error")) stop(e)
    abort("ValueError", conditionMessage(e))
  })
}

check_count <- function(x, name, min = 0) {
  if (!is.numeric(x) || length(x) != 1L || is.na(x) || x < min || x != trunc(x) || !is.finite(x)) {
    abort("ValueError", sprintf("`%s` must be one whole number >= %s, not %s", name, format(min), describe_value(x)))
  }
  invisible(x)
}

check_flag <- function(x, name) {
  if (!is.logical(x) || length(x) != 1L || is.na(x)) {
    abort("ValueError", sprintf("`%s` must be TRUE or FALSE, not %s", name, describe_value(x)))
  }
  x
}

# What `if (x)` takes
check_truth <- function(x, name) {
  if (!(is.logical(x) || is.numeric(x)) || length(x) != 1L || is.na(x)) {
    abort("ValueError", sprintf("`%s` must be TRUE or FALSE, not %s", name, describe_value(x)))
  }
  x
}

check_function <- function(x, name) {
  if (missing(x)) missing_argument(name, sys.call(-1L))
  if (!is.function(x)) abort("ValueError", sprintf("`%s` must be a function, not %s", name, describe_value(x)))
  invisible(x)
}

check_list <- function(x, name) {
  if (!is.list(x) || is.object(x)) {
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
  if (is.atomic(x) && length(x) == 1L && !is.object(x)) {
    return(deparse(x, nlines = 1L)[1L])
  }
  sprintf("%s of length %d", class(x)[1L], length(x))
}
