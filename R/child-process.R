#' A process that computes one function
#'
#' Starts another R process that calls `target` with `args`. With the start method `fork` it sees everything that this
#' process sees and starts in a millisecond; with `spawn` it is a fresh R that gets `target`, `args` and the variables
#' and packages that they need.
#'
#' @param target a function.
#' @param args a list of its arguments; named elements are named arguments.
#' @param name Name used in messages; `Process-1` and so on by default.
#' @param daemon `TRUE`: it is terminated when this process ends; `FALSE`: it is joined then. `NULL`: inherited from the
#'   current process.
#' @param ... Not used: an error that names the argument.
#' @param context a start method, `"fork"` or `"spawn"`, or what [get_context()] gave; `NULL`: [get_start_method()].
#' @param globals,packages what a spawned process gets of the session, see [what-travels].
#' @section Methods:
#' - `$start()`: starts the process, and returns the handle invisibly. A process can be started once.
#' - `$join(timeout = NULL)`: waits until the process has ended, at most `timeout` seconds. It never ends the process;
#'   `$exitcode` says whether it has ended.
#' - `$is_alive()`: whether it runs. `$terminate()` ends it by SIGTERM, `$kill()` by SIGKILL.
#' - `$value(timeout = NULL)`: waits until the process is done, at most `timeout` seconds; what `target` returned, or its error.
#' - `$close()`: gives up the value and what else the handle holds; methods are an error then. A process that runs cannot be closed.
#' @section Fields: `$pid`, `$exitcode` (`NULL` while it runs, `-n` if signal n ended it, 1 after an error, `NA` if
#'   other code waited for it first, on Linux before 6.15), `$name`,
#'   `$daemon`, `$sentinel` (for [wait()]).
#' @section Errors: `TaskError` (`target` failed), `WorkerDiedError` (it died before it had a value; a `ProcessError`, too),
#'   `TimeoutError` (no `$value()` in time; or a process is stopped), `ProcessError` (not started, started twice, or
#'   the operating system could not start it), `ValueError` (bad arguments, a closed process); all are explained in [multiprocessing-package].
#' @section At its end: A process joins or terminates its own children, and waits for what its executors compute. Finalizers with
#'   `onexit = TRUE` run in a process that was spawned; in a forked one those of this session would run as well, so none does. `on.exit()`
#'   of `target` runs in both.
#' @return A handle (an R6 object) of class `Process`. What the process prints appears in this session.
#' @section Python: `multiprocessing.Process(target=, args=, name=, daemon=)`; named `args` are its `kwargs`.
#' @seealso [Pool()] for many elements; [mcparallel()], parallel's way to do the same; [Queue()], [Pipe()] and
#'   [Lock()] to work together; [current_process()].
#' @concept start a process
#' @concept background job
#' @examples
#' p <- Process(function(x, y) x + y, args = list(1, y = 2))
#' p$start()
#' p$join()
#' p$exitcode
#' p$value(timeout = 10)
#'
#' p <- Process(Sys.sleep, list(60), name = "sleeper", daemon = TRUE, context = "fork")
#' p$start()
#' p$join(timeout = 0.1) # still at work
#' c(p$name, p$is_alive())
#' p$terminate()
#' p$join()
#' p$exitcode # minus the signal's number
#'
#' # `SIGKILL` for a process that does not want to end; $close() forgets one that has ended
#' p <- Process(Sys.sleep, list(60))
#' p$start()
#' p$kill()
#' p$join()
#' p$close()
#'
#' # a fresh R gets these values and packages
#' say <- function() toTitleCase(word)
#' p <- Process(say, context = "spawn", globals = list(word = "ready"), packages = "tools")
#' p$start()
#' p$value()
#' @export
Process <- function(target, args = list(), name = NULL, daemon = NULL, context = NULL, ..., globals = TRUE, packages = NULL) {
  if (...length()) refuse_arguments("Process", names(formals()), ...)
  check_function(target, "target")
  check_list(args, "args")
  session$counter <- session$counter + 1L
  identity <- c(session$identity, session$counter)
  if (is.null(name)) name <- paste0("Process-", paste(identity, collapse = ":"))
  if (is.null(daemon)) daemon <- session$daemon
  sees <- list(globals = check_globals(globals, parent.frame()), packages = check_packages(packages))
  what <- list(target = target, args = args, number = session$counter)
  ProcessHandle$new(what, check_name(name), check_flag(daemon, "daemon"), method_of(context), sees)
}

check_name <- function(name) {
  if (!is.character(name) || length(name) != 1L || is.na(name)) {
    abort("ValueError", sprintf("`name` must be one string, not %s", describe_value(name)))
  }
  name
}

ProcessHandle <- R6::R6Class("Process",
  cloneable = FALSE,
  public = list(
    initialize = function(what, name, daemon, method, sees) {
      private$what <- what
      private$sees <- sees
      private$method <- method
      private$label <- name
      private$is_daemon <- daemon
    },
    start = function() process_run(self, private),
    join = function(timeout = NULL) process_wait(self, private, timeout),
    is_alive = function() process_is_alive(private),
    terminate = function() process_kill(private, 15L),
    kill = function() process_kill(private, 9L),
    value = function(timeout = NULL) process_value(self, private, timeout),
    close = function() process_close(self, private),
    format = function(...) process_format(self, private),
    print = function(...) print_formatted(self)
  ),
  private = list(
    what = NULL, method = NULL, sees = NULL, label = NULL, is_daemon = FALSE, ptr = NULL, number = NULL, code = NULL,
    started = FALSE, closed = FALSE
  ),
  active = list(
    pid = function() check_not_closed(private)$number,
    exitcode = function() process_exitcode(check_not_closed(private)),
    name = function(value) process_name(private, value),
    daemon = function(value) process_daemon(private, value),
    sentinel = function() structure(list(ptr = started_ptr(private)), class = "multiprocessing_sentinel")
  )
)

check_not_closed <- function(private) {
  if (private$closed) abort("ValueError", "this process object is closed")
  private
}

started_ptr <- function(private) {
  check_not_closed(private)
  if (is.null(private$ptr)) abort("ProcessError", "this process was not started; call $start() first")
  private$ptr
}

process_name <- function(private, value) {
  if (!missing(value)) private$label <- check_name(value)
  private$label
}

process_daemon <- function(private, value) {
  if (!missing(value)) {
    if (private$started) {
      abort("ProcessError", "this process was started: set `daemon` before $start(), or in Process(daemon = )")
    }
    private$is_daemon <- check_flag(value, "daemon")
  }
  private$is_daemon
}

process_is_alive <- function(private) !is.null(check_not_closed(private)$ptr) && is.null(process_exitcode(private))

process_run <- function(self, private) {
  if (check_not_closed(private)$started) {
    abort("ProcessError", "a process can be started only once; create another one with Process()")
  }
  what <- c(private$what, list(
    name = self$name, daemon = self$daemon, parent = this_process(), warn = getOption("warn")
  ))
  now <- private$sees
  what <- start_methods[[private$method]]$prepare(
    "process_main", what, list(what$target, what$args), now$globals, now$packages
  )
  suspendInterrupts({ # no Ctrl-C between starting the process and recording it
    private$ptr <- process_start(what, private$method, FALSE)
    private$started <- TRUE
    private$number <- process_pid(private$ptr)
    private$what <- NULL
    session$processes <- c(own_processes(), self)
  })
  if (logger$least > 0L) log_event("INFO", "%s (pid %d) was started by %s", self$name, private$number, private$method)
  register_exit()
  show_when_idle()
  invisible(self)
}

# At the end of this R: daemons are terminated, other processes joined, as in Python; a Ctrl-C ends the wait for these
register_exit <- function() {
  if (session$exit_registered) {
    return(invisible())
  }
  session$exit_registered <- TRUE
  owner <- Sys.getpid()
  reg.finalizer(session, function(e) if (Sys.getpid() == owner) try(allowInterrupts(finish_child()), silent = TRUE), onexit = TRUE)
}

# While R waits at its prompt, package later shows what processes print. A script shows it in the calls that wait for them:
# it does not load the package for that.
show_when_idle <- function() {
  if (session$shows || !(isNamespaceLoaded("later") || (interactive() && has_later()))) {
    return(invisible())
  }
  session$shows <- TRUE
  owner <- Sys.getpid()
  later::later(function() {
    session$shows <- FALSE
    if (Sys.getpid() != owner) {
      return()
    }
    output_show()
    if (any(vapply(own_processes(), runs, TRUE))) show_when_idle()
  }, 0.1)
  invisible()
}

process_exitcode <- function(private) {
  if (is.null(private$code) && !is.null(private$ptr)) {
    private$code <- process_status(private$ptr)
    if (!is.null(private$code) && logger$least > 0L) {
      log_record(
        if (is.na(private$code) || private$code < 0L) log_levels[["WARNING"]] else log_levels[["INFO"]],
        log_end_of(private$label, private$number, private$code)
      )
    }
  }
  private$code
}

process_wait <- function(self, private, timeout) {
  ptr <- started_ptr(private)
  process_join(list(ptr), timeout, TRUE)
  if (!is.null(process_exitcode(private))) session$processes <- Filter(function(p) !identical(p, self), own_processes())
  invisible(self)
}

process_kill <- function(private, signal) {
  process_signal(started_ptr(private), signal)
  invisible(NULL)
}

process_value <- function(self, private, timeout) {
  process_wait(self, private, timeout)
  code <- process_exitcode(private)
  if (is.null(code)) {
    abort("TimeoutError", sprintf("%s (pid %d) still runs%s", self$name, private$number, waited(timeout)))
  }
  outcome <- process_outcome(private$ptr, private$number, code, self$name)
  if (!is.null(outcome$failure)) raise(outcome$failure)
  outcome$value
}

# list(value, failure) of a process that has ended
process_outcome <- function(ptr, pid, code, name) {
  result <- process_result(ptr)
  if (is.null(result)) {
    failure <- new_condition(
      c("WorkerDiedError", "ProcessError", "multiprocessing_error", "error"),
      sprintf("%s (pid %d) %s", name, pid, if (is.na(code)) {
        way_to_die(code)
      } else if (code < 0L) {
        sprintf("was killed by signal %d (%s)", -code, signal_name(-code))
      } else {
        sprintf("left with exit code %d and no value", code)
      }),
      index = 1L, pid = pid,
      signal = if (isTRUE(code < 0L)) -code else NA_integer_, exitcode = if (isTRUE(code >= 0L)) code else NA_integer_
    )
    return(list(value = NULL, failure = failure))
  }
  if (result[[1L]] == 0L) {
    return(list(value = result[[2L]], failure = NULL))
  }
  failure <- task_failure(name, 1L, result[[2L]])
  failure$message <- sprintf("%s (pid %d) failed: %s", name, pid, with_hint(message_of(failure$parent), result[[2L]][[4L]]))
  list(value = NULL, failure = failure)
}

process_close <- function(self, private) {
  if (is.null(private$ptr)) {
    private$closed <- TRUE
    return(invisible(NULL))
  }
  if (self$is_alive()) {
    abort("ValueError", sprintf(
      "%s (pid %d) still runs; $join() or $terminate() it before $close()", self$name, private$number
    ))
  }
  private$ptr <- NULL
  private$closed <- TRUE
  invisible(NULL)
}

process_format <- function(self, private) {
  state <- if (private$closed) {
    "closed"
  } else if (is.null(private$ptr)) {
    "initial"
  } else if (is.null(code <- process_exitcode(private))) {
    "started"
  } else {
    sprintf("stopped, exit code %d%s", code, if (isTRUE(code < 0L)) sprintf(", killed by %s", signal_name(-code)) else "")
  }
  sprintf("<Process %s%s (%s)>", self$name, if (is.null(private$number)) "" else paste(", pid", private$number), state)
}

# What a Process does in the child; returns its exit code
process_main <- function(what) {
  enter_child(what$name, what, what$daemon, what$number)
  forget_random_state()
  begin_session(what$session, what$needs)
  if (is.environment(what)) end_start() # not in a fork: a fork of an R that is still starting spawns nothing either
  if (is.environment(what)) refuse_lost_in_call(what$target, what$args) # they came through a page, as all in a new R
  target <- if (length(seen$lacks)) guarded(what$target) else what$target
  caller <- locals_first(new_frame(), what$target)
  code <- run_and_publish(function() call_in(caller, target, what$args), function(condition, hint) {
    call <- tryCatch(conditionCall(condition), error = function(e) NULL)
    message(sprintf(
      "%s (pid %d) failed:\n%s: %s", what$name, Sys.getpid(),
      if (is.null(call)) "Error" else paste("Error in", deparse(call, nlines = 1L)[1L]), with_hint(message_of(condition), hint)
    ))
  }, function() inputs_of(what$target, what$args))
  finish_child()
  code
}

# Errors show the call `FUN(args[[1L]], b = args[[2L]])`, as those of $apply() do, and not the values.
call_in <- function(frame, fun, args) {
  frame$FUN <- fun
  frame$args <- args
  calls <- lapply(seq_along(args), function(i) call("[[", quote(args), i))
  names(calls) <- names(args)
  do.call("FUN", calls, envir = frame)
}

# Evaluates, publishes the value or the error with its traceback; 0 or 1. `inputs`: see pointer_hint()
run_and_publish <- function(fun, report = function(condition, hint) NULL, inputs = list) {
  trace <- NULL
  tryCatch(
    {
      value <- withCallingHandlers(
        fun(),
        error = function(e) trace <<- traceback_of(sys.calls()), interrupt = ignore_interrupt
      )
      process_publish(value, 0L)
      0L
    },
    error = function(e) {
      hint <- pointer_hint(e, inputs)
      publish_failure(function(sent) process_publish(sent, 1L), e, trace, hint)
      report(e, hint)
      1L
    }
  )
}

# A Ctrl-C is never meant for a child (see interrupts.cpp), but any SIGINT ends R's Sys.sleep(): this resumes it.
ignore_interrupt <- function(i) tryInvokeRestart("resume")

# A condition may hold values that cannot be sent: then only its message is sent.
publish_failure <- function(publish, condition, trace, hint) {
  force(hint)
  tryCatch(publish(list(condition, trace, Sys.getpid(), hint)), error = function(e) {
    plain <- simpleError(message_of(condition))
    publish(list(plain, trace, Sys.getpid(), hint))
  })
}

# The calls between our own frames and the error, innermost last
traceback_of <- function(calls) {
  lines <- vapply(calls, function(call) deparse(call, width.cutoff = 60L, nlines = 1L)[1L], "")
  own <- which(grepl("^(worker_run|withCallingHandlers|do\\.call)\\(", lines))
  start <- if (length(own)) max(own[own < length(lines) - 1L], 0L) else 0L
  inner <- lines[seq_along(lines) > start]
  inner[!grepl("^(\\.handleSimpleError|h\\(simpleError|\\.Call\\()", inner)]
}
