#' Start methods
#'
#' How child processes are started. `fork` copies this process: the child has everything that the session has. It takes a
#' millisecond, and some 25 more for each GB that the session holds.
#' `spawn` starts a fresh R, which gets what it needs: slower (0.1 s, for a session of any size), and safe where forking is
#' not (graphical front ends, threads). The default is `fork`, and `spawn` in RStudio, Positron and Jupyter.
#'
#' @param method `"fork"` or `"spawn"`.
#' @param force `TRUE` to change a method that was set already.
#' @return `get_start_method()` a string; `get_all_start_methods()` a character vector, the default first;
#'   `get_context()` a list of class `multiprocessing_context` with the functions of this package, of which `Process` and
#'   `Pool` use the method.
#' @section Errors: `ValueError` for another method, `ProcessError` if one was set already.
#' @section Python: functions of the same names in `multiprocessing`.
#' @seealso [Pool()] and [Process()], whose `context` chooses for one object; [what-travels].
#' @concept fork
#' @concept spawn
#' @concept forkserver
#' @examples
#' get_all_start_methods()
#' get_start_method()
#' ctx <- get_context("fork")
#' p <- ctx$Process(function() 42)
#' p$start()
#' p$value()
#'
#' # for all processes and pools that are started from now on
#' old <- get_start_method()
#' set_start_method("spawn", force = TRUE)
#' get_start_method()
#' set_start_method(old, force = TRUE)
#' @export
get_start_method <- function() {
  if (is.null(session$start_method)) default_start_method() else session$start_method
}

#' @rdname get_start_method
#' @export
set_start_method <- function(method, force = FALSE) {
  if (missing(method)) missing_argument("method")
  check_method(method)
  if (!is.null(session$start_method) && !isTRUE(force)) {
    abort("ProcessError", sprintf(
      "the start method is set to \"%s\" already; use force = TRUE to change it", session$start_method
    ))
  }
  session$start_method <- method
  invisible(NULL)
}

#' @rdname get_start_method
#' @export
get_all_start_methods <- function() {
  default <- default_start_method()
  c(default, setdiff(names(start_methods), default))
}

# Each in a file of its own, child-NAME.R. `copies`: its children begin with all that this process has.
# `prepare(main, what, values, globals, packages)` makes what process_start(), or a pool, is given: `main` is the name of the
# function that the child calls with `what`; `values` are a function and its arguments in `what`, of which the child may need
# more (variables, packages). What src/session/start_NAME.cpp does with it follows.
start_methods <- list(fork = fork_method, spawn = spawn_method)

check_method <- function(method) {
  if (!is.character(method) || length(method) != 1L || !method %in% names(start_methods)) {
    abort("ValueError", sprintf("the start method must be %s, not %s", paste0("\"", names(start_methods), "\"", collapse = " or "), describe_value(method)))
  }
  method
}

method_of <- function(context) {
  if (is.null(context)) {
    return(get_start_method())
  }
  if (inherits(context, "multiprocessing_context")) context$method else check_method(context)
}

# Front ends whose own threads and connections do not survive a fork are known by their environment
default_start_method <- function() {
  front_ends <- c("RSTUDIO", "POSITRON", "JPY_PARENT_PID")
  if (any(nzchar(Sys.getenv(front_ends, names = FALSE)))) "spawn" else "fork"
}
