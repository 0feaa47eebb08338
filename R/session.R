# What this process knows of itself. A forked child changes its copy in enter_child().
session <- new.env(parent = emptyenv())
session$start_method <- NULL
session$name <- "MainProcess"
session$daemon <- FALSE
session$parent <- NULL # this_process() of the process that started this one
session$identity <- integer() # Process-1:2 is the second child of the main process's first one
session$counter <- 0L
session$detached <- list() # pools of mclapply() calls that were interrupted with mc.cleanup = FALSE
session$processes <- list() # Process handles that were started here and are not known to have ended, see own_processes()
session$processes_of <- NULL # the pid of the process that the list belongs to
session$before_end <- function() NULL # called by finish_child(); set by what has to wait then
session$before_wait <- function() NULL # called by wait(); set by pools with callbacks
session$lives <- new.env(parent = emptyenv()) # of executors, see executor-lifetime.R
session$attended <- new.env(parent = emptyenv()) # pools with callbacks to call, see keep_until_called()
session$attends_dropped <- 0L # the pid of the process that is in attend_dropped()
session$exit_registered <- FALSE # see register_exit()
session$shows <- FALSE # show_when_idle() will be called
session$has_later <- NULL # whether package later is available; NULL: not looked for yet

# Called first in every child. Little may be done here: what a fork touches for the first time is copied, page by page.
enter_child <- function(name, what, daemon = TRUE, number = NULL) {
  forget_frames(sys.nframe() - 1L)
  parent <- what$parent
  session$name <- name
  session$daemon <- daemon
  session$parent <- parent
  session$counter <- 0L
  session$identity <- c(parent$identity, number)
  session$shows <- FALSE
  session$start_method <- parent$method
  if (!is.null(parent$log)) inherit_logging(parent$log)
  log_event("INFO", "started by %s (pid %d)", parent$name, parent$pid)
  if (isTRUE(what$sinks)) { # the parent's would swallow what we print
    while (sink.number() > 0L) sink()
    if (sink.number(type = "message") != 2L) sink(type = "message")
  }
  # R keeps warnings until it is at its prompt, which a child never is
  if (!is.null(what$warn)) options(warn = what$warn)
  if (getOption("warn") == 0L) options(warn = 1L)
  set_interactive(FALSE) # no user could answer
}

# The flag behind interactive() has no public setter; parallel's own is used where there is one
set_interactive <- function(what) {
  setter <- parallels_own("mcinteractive")
  what <- as.logical(what)[1L]
  if (!is.null(setter) && !is.na(what)) setter(what)
  invisible()
}

parallel_namespace <- asNamespace("parallel")

# What package parallel keeps to itself, or NULL. Looked up each time: others may have replaced it.
parallels_own <- function(name, mode = "function") get0(name, parallel_namespace, mode = mode)

# A forked child, ours or another package's, inherits the list, but none of these is its own child
own_processes <- function() {
  if (!identical(session$processes_of, Sys.getpid())) {
    session$processes_of <- Sys.getpid()
    session$processes <- list()
  }
  session$processes
}

# What a child is told about the process that starts it
this_process <- function() {
  list(
    pid = Sys.getpid(), name = session$name, identity = session$identity, method = session$start_method, log = inherited_logging()
  )
}

# The values of a registry by name that this process has put there; a fork has a copy of its parent's
own_of <- function(registry) {
  keys <- NULL
  # a finalizer that changes it while R lists the names is an error of R's
  while (is.null(keys)) keys <- tryCatch(names(registry), error = function(e) NULL)
  values <- lapply(keys[nzchar(keys)], function(key) registry[[key]])
  Filter(function(value) !is.null(value) && value$pid == Sys.getpid(), values)
}

has_later <- function() {
  if (is.null(session$has_later)) session$has_later <- requireNamespace("later", quietly = TRUE)
  session$has_later
}

has_sinks <- function() sink.number() > 0L || sink.number(type = "message") != 2L

collect_young <- function() gc(full = FALSE)

# A function as R compiles it at its second call: done once here, not again in each new worker
compile_function <- function(fun) {
  if (is_compiled(fun) || enableJIT(-1L) < 1L) {
    return(fun)
  }
  tryCatch(compiler::cmpfun(fun, options = list(suppressAll = TRUE)), error = function(e) fun)
}

#' @rdname current_process
#' @export
cpu_count <- function() as.integer(parallelly::availableCores())
