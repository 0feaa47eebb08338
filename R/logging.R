#' What processes, pools and their jobs do, as a log
#'
#' `log_to_stderr()` shows on the standard error stream when processes and workers start, end, die and are replaced, and which jobs a
#' pool is given. Each line says when, in which process, and its pid. Nothing is logged, and it costs nothing, until it is called.
#'
#' Processes that are started later log at the same level, whatever their start method; their lines appear in this session, as all that they print.
#'
#' @param level a number, or the name of one: `"SUBDEBUG"` (5), `"DEBUG"` (10: jobs, too), `"INFO"` (20: starts and ends), `"SUBWARNING"`
#'   (25), `"WARNING"` (30: processes that were killed), `"ERROR"` (40), `"CRITICAL"` (50), in letters of either case. What is lower is not
#'   logged. `NULL`: the level stays as it is; `"WARNING"` at first.
#' @section Methods of the logger:
#' - `$debug(message)`, `$info(message)`, `$warning(message)`, `$error(message)`, `$critical(message)`, `$log(level, message)`: a line of
#'   your own.
#' - `$setLevel(level)`, `$getEffectiveLevel()`.
#' - `$addHandler(handler)`: `handler(record)` is called with each record, a list of `level`, `levelname`, `message`, `processName`,
#'   `process` (the pid) and `created` (the time), in this process and in those that it forks. An error in it becomes a warning.
#' - `$removeHandler(handler)`: the function, or `"stderr"` for what `log_to_stderr()` added.
#'
#' @section Errors: `ValueError` (no such level, a handler that is not a function).
#' @return The logger, a handle (an R6 object) of class `Logger`; `log_to_stderr()` invisibly.
#' @section Python: `multiprocessing.log_to_stderr(level)`, `multiprocessing.get_logger()`.
#' @seealso [Process()], [Pool()]
#' @concept logging
#' @concept debug
#' @examples
#' logger <- log_to_stderr("INFO")
#' p <- Process(function() get_logger()$info("at work"))
#' p$start()
#' p$join()
#' logger$removeHandler("stderr")
#'
#' count <- 0
#' counts <- function(record) count <<- count + 1
#' logger$addHandler(counts)
#' logger$warning("one line more")
#' count
#' # from the least to the most important; below the level nothing is logged
#' logger$setLevel("WARNING")
#' logger$debug("a detail")
#' logger$error("it failed")
#' logger$critical("all of it failed")
#' logger$log("error", "another way to say it")
#' count
#' logger$getEffectiveLevel()
#' logger$removeHandler(counts)
#' @export
log_to_stderr <- function(level = NULL) {
  if (!is.null(level)) logger$level <- check_log_level(level)
  logger$handlers$stderr <- log_line_to_stderr
  log_refresh()
  invisible(get_logger())
}

#' @rdname log_to_stderr
#' @export
get_logger <- function() {
  if (is.null(logger$handle)) logger$handle <- LoggerHandle$new()
  logger$handle
}

log_levels <- c(SUBDEBUG = 5L, DEBUG = 10L, INFO = 20L, SUBWARNING = 25L, WARNING = 30L, ERROR = 40L, CRITICAL = 50L)

# `level`: as set; `least`: what is logged now, 0 for nothing, also known to compiled code
logger <- new.env(parent = emptyenv())
logger$level <- log_levels[["WARNING"]]
logger$least <- 0L
logger$handlers <- list()
logger$handle <- NULL

LoggerHandle <- R6::R6Class("Logger",
  cloneable = FALSE,
  public = list(
    debug = function(message) log_own("DEBUG", message),
    info = function(message) log_own("INFO", message),
    warning = function(message) log_own("WARNING", message),
    error = function(message) log_own("ERROR", message),
    critical = function(message) log_own("CRITICAL", message),
    log = function(level, message) log_own(level, message),
    setLevel = function(level) {
      logger$level <- check_log_level(level)
      log_refresh()
    },
    getEffectiveLevel = function() logger$level,
    addHandler = function(handler) log_add_handler(handler),
    removeHandler = function(handler) log_remove_handler(handler),
    format = function(...) sprintf("<Logger (%s, %s)>", level_name(logger$level), counted(length(logger$handlers), "handler")),
    print = function(...) print_formatted(self)
  )
)

check_log_level <- function(level) {
  if (is.character(level) && length(level) == 1L && toupper(level) %in% names(log_levels)) {
    return(log_levels[[toupper(level)]])
  }
  if (!is.numeric(level) || length(level) != 1L || is.na(level) || level < 0 || level != trunc(level) || level > .Machine$integer.max) {
    abort("ValueError", sprintf(
      "`level` must be a whole number or one of %s, not %s", paste0('"', names(log_levels), '"', collapse = ", "), describe_value(level)
    ))
  }
  as.integer(level)
}

level_name <- function(level) {
  name <- names(log_levels)[match(level, log_levels)]
  if (is.na(name)) sprintf("Level %d", level) else name
}

log_refresh <- function() {
  logger$least <- if (length(logger$handlers)) max(logger$level, 1L) else 0L
  log_set_level(logger$least)
}

log_add_handler <- function(handler) {
  check_function(handler, "handler")
  logger$handlers <- c(logger$handlers, handler)
  log_refresh()
  invisible(NULL)
}

log_remove_handler <- function(handler) {
  keep <- if (is.character(handler)) {
    !names(logger$handlers) %in% handler
  } else {
    !vapply(logger$handlers, identical, TRUE, handler)
  }
  logger$handlers <- logger$handlers[keep]
  log_refresh()
  invisible(NULL)
}

log_own <- function(level, message) {
  level <- check_log_level(level)
  log_record(level, paste(as.character(message), collapse = " "))
  invisible(NULL)
}

# What the package says itself: formatted only if it is logged
log_event <- function(level, format, ...) if (logger$least > 0L) log_record(log_levels[[level]], sprintf(format, ...))

log_record <- function(level, message) {
  if (logger$least == 0L || level < logger$least) {
    return(invisible())
  }
  record <- list(
    level = level, levelname = level_name(level), message = message, processName = session$name, process = Sys.getpid(),
    created = Sys.time()
  )
  for (handler in logger$handlers) {
    tryCatch(handler(record), error = function(e) {
      warning(sprintf("a handler of the logger failed: %s", message_of(e)), call. = FALSE)
    })
  }
}

log_line_to_stderr <- function(record) {
  cat(sprintf(
    "[%s/%s pid %d %s] %s\n", record$levelname, record$processName, record$process, format(record$created, "%H:%M:%OS3"), record$message
  ), file = stderr())
}

# Called by compiled code; `what` is the event
log_formatted <- function(level, what, ...) {
  log_record(level, switch(what,
    worker_ended = log_end_of(...),
    worker_replaced = sprintf("worker %s (pid %d) was replaced", ...),
    job_submitted = sprintf("job %d of %.0f elements was submitted", ...),
    job_done = sprintf("job %d is done, %d of its elements failed", ...)
  ))
}

log_end_of <- function(name, pid, status) {
  sprintf("%s (pid %d) %s", name, pid, if (is.na(status)) {
    "ended"
  } else if (status < 0L) {
    sprintf("was killed by signal %d (%s)", -status, signal_name(-status))
  } else {
    sprintf("ended with exit code %d", status)
  })
}

# A spawned R logs like its parent: with the handlers for stderr, without functions that the user has added.
inherited_logging <- function() if (!is.null(logger$handlers$stderr)) logger$level

inherit_logging <- function(level) {
  if (!is.null(level) && logger$least == 0L) log_to_stderr(level)
}
