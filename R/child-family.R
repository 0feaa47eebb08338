# This process's children and its parent, and how it ends its children before it ends.

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
#' @seealso [Process()], [Pool()]; [get_start_method()].
#' @concept number of cores
#' @concept detectCores
#' @concept Slurm
#' @concept container
#' @concept cgroups
#' @concept process id
#' @examples
#' current_process()$name
#' is.null(parent_process()) # TRUE in the main process
#' cpu_count()
#' p <- Process(function() {
#'   Sys.sleep(0.2)
#'   parent_process()$pid
#' })
#' p$start()
#' length(active_children())
#' p$value() == current_process()$pid
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

# Called before a process exits normally: waits for what its executors compute, terminates its daemons, joins its other children.
finish_child <- function() {
  if (!is.null(session$parent)) log_event("INFO", "ends")
  session$before_end()
  processes <- own_processes()
  if (!length(processes)) {
    return(invisible())
  }
  processes <- Filter(runs, processes)
  for (p in processes) if (isTRUE(p$daemon)) p$terminate()
  for (p in processes) p$join()
}

# quit() in a fork, see src/session/start_fork.cpp
leave_by_quit <- function(save = "default", status = 0, runLast = TRUE) {
  finish_child()
  process_leave(as.integer(status))
}
