# What this process knows of itself. A forked child changes its copy in enter_child().
session <- new.env(parent = emptyenv())
session$start_method <- NULL
session$name <- "MainProcess"
session$daemon <- FALSE
session$parent <- NULL # this_process() of the process that started this one
session$identity <- integer() # Process-1:2 is the second child of the main process's first one
session$counter <- 0L
session$detached <- list() # pools of mclapply() calls that were interrupted with mc.cleanup = FALSE
session$processes <- list() # Process handles that were started here and are not known to be over, see own_processes()
session$processes_of <- NULL # the pid of the process that the list belongs to
session$exit_registered <- FALSE # see register_exit()
session$shows <- FALSE # show_when_idle() will be called
session$has_later <- NULL # whether package later is there, once it was looked for

# Called first in every child. Little may be done here: what a fork touches for the first time is copied, page by page.
enter_child <- function(name, what, daemon = TRUE, number = NULL) {
  parent <- what$parent
  list2env(list(
    name = name, daemon = daemon, parent = parent, counter = 0L, identity = c(parent$identity, number), shows = FALSE,
    start_method = parent$method
  ), session)
  if (isTRUE(what$sinks)) { # the parent's would swallow what we print
    while (sink.number() > 0L) sink()
    if (sink.number(type = "message") != 2L) sink(type = "message")
  }
  # R keeps warnings until it is at its prompt, which a child never is
  if (!is.null(what$warn)) options(warn = what$warn)
  if (getOption("warn") == 0L) options(warn = 1L)
  set_interactive(FALSE) # nobody answers here
}

# The flag behind interactive() has no public setter; parallel's own is used where there is one
set_interactive <- function(what) {
  setter <- get0("mcinteractive", asNamespace("parallel"), mode = "function")
  what <- as.logical(what)[1L]
  if (!is.null(setter) && !is.na(what)) setter(what)
  invisible()
}

# A forked child, ours or somebody else's, inherits the list and has none of its own
own_processes <- function() {
  if (!identical(session$processes_of, Sys.getpid())) {
    session$processes_of <- Sys.getpid()
    session$processes <- list()
  }
  session$processes
}

# What a child is told about the process that starts it
this_process <- function() {
  list(pid = Sys.getpid(), name = session$name, identity = session$identity, method = session$start_method)
}

has_later <- function() {
  if (is.null(session$has_later)) session$has_later <- requireNamespace("later", quietly = TRUE)
  session$has_later
}

has_sinks <- function() sink.number() > 0L || sink.number(type = "message") != 2L

# quit() in a fork, see src/session/children.cpp
leave_by_quit <- function(save = "default", status = 0, runLast = TRUE) {
  finish_child()
  process_leave(as.integer(status))
}

collect_young <- function() gc(full = FALSE)

# A function as R makes it by itself when it is called a second time, which each new worker would do anew
compile_function <- function(fun) {
  if (is_compiled(fun) || compiler::enableJIT(-1L) < 1L) {
    return(fun)
  }
  tryCatch(compiler::cmpfun(fun, options = list(suppressAll = TRUE)), error = function(e) fun)
}

# Before a process ends by itself: its daemons are terminated, its other children joined.
finish_child <- function() {
  processes <- own_processes()
  if (!length(processes)) {
    return(invisible())
  }
  processes <- Filter(runs, processes)
  for (p in processes) if (isTRUE(p$daemon)) p$terminate()
  for (p in processes) p$join()
}

#' The processes of this session
#'
#' `current_process()` and `parent_process()` tell which process runs this code and which one started it;
#' `active_children()` lists the processes that this one started and that still run, workers of pools included (and joins
#' those that are over); `cpu_count()` tells on how many CPUs this process may run.
#'
#' In the profile of an R that is being spawned, `parent_process()` has the pid of its parent, and `NA` as its name: a profile
#' that starts processes does so only if `is.null(parent_process())`.
#'
#' @return `current_process()` a list with `pid`, `name` and `daemon`; `parent_process()` a list with `pid` and
#'   `name`, or `NULL` in the main process; `active_children()` a list of [Process()] handles; `cpu_count()` an integer,
#'   what [parallelly::availableCores()] says: it honours the CPU affinity, control groups, batch systems and
#'   `options(mc.cores)`.
#' @section Python: `multiprocessing.current_process()`, `parent_process()`, `active_children()`, `cpu_count()`.
#' @examples
#' current_process()$name
#' cpu_count()
#' @export
current_process <- function() {
  list(pid = Sys.getpid(), name = session$name, daemon = session$daemon)
}

#' @rdname current_process
#' @export
parent_process <- function() {
  if (is.null(session$parent)) starting_parent() else session$parent[c("pid", "name")]
}

#' @rdname current_process
#' @export
active_children <- function() {
  session$processes <- Filter(function(p) runs(p), own_processes())
  c(unname(session$processes), worker_handles())
}

runs <- function(p) {
  private <- private_of(p)
  !private$closed && process_is_alive(private)
}

worker_handles <- function() {
  workers <- if (session_exists()) process_workers()
  Map(function(ptr, name) {
    handle <- ProcessHandle$new(NULL, name, TRUE, NULL, NULL)
    private <- private_of(handle)
    private$ptr <- ptr
    private$number <- process_pid(ptr)
    private$started <- TRUE
    handle
  }, workers$pointers, workers$names, USE.NAMES = FALSE)
}

#' @rdname current_process
#' @export
cpu_count <- function() as.integer(parallelly::availableCores())
