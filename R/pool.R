#' A pool of worker processes
#'
#' `Pool()` starts worker processes, which compute the elements of one job after another. A *job* is one call of a method such as
#' `$map(func, iterable)`; a *task* is the call of `func` with one element. Workers take elements straight from shared memory: there
#' is no dispatcher, and no message per task. If a worker dies, only the element that it was computing is lost, and the worker is
#' replaced.
#'
#' With start method `fork` the workers are copies of the session as it is when `Pool()` is called. `Pool()` forks one
#' worker and returns; that worker forks others, and they fork others. If the operating system cannot start one of these,
#' the next call of a method is a `BrokenProcessPool`, which is a `ProcessError`, and the pool is terminated.
#'
#' What workers print appears in this session, in whole lines, while the session is in a call of this package. They have no input
#' (`readline()` gives `""`) and no screen: plots go to `Rplots.pdf` unless the function opens a device. Connections belong to
#' the process that opened them: open files and databases in the function, or in `initializer`.
#'
#' @param processes the number of workers; `NULL`: [cpu_count()].
#' @param initializer,initargs a function that each worker calls when it starts, and the list of its arguments. If it fails,
#'   the worker prints the error and ends. After several such failures the next call is a `ProcessError`.
#' @param maxtasksperchild replace a worker after this many chunks; `NULL`: never.
#' @param context a start method, `"fork"` or `"spawn"`, or what [get_context()] gave; `NULL`: [get_start_method()].
#' @param retries how many times to retry an element whose worker died; by default, not once.
#' @param task_timeout seconds that one element may take; then its worker is killed and replaced, and the element gives a
#'   `TimeoutError`. `NULL`: no limit.
#' @param seed an integer: element i of every `map` draws its random numbers from L'Ecuyer stream i of that seed, the same for
#'   any number of workers, chunks and retries. `NULL`: workers get random seeds; `set.seed()` has no effect on them.
#' @section Methods:
#' - `$map(func, iterable, chunksize = NULL, args = list(), template = NULL, progress = FALSE, seed = NULL, retries = NULL,
#'   task_timeout = NULL, on_error = "stop", globals = TRUE, packages = NULL)`: a list of `func(element)` with the names of
#'   `iterable`. `chunksize`: how many elements a worker takes at a time. `args`: further arguments of every call. The others
#'   are options, given by their full names:
#'   - `template`: as `FUN.VALUE` of [vapply()], so that the result is a vector.
#'   - `progress`: `TRUE` shows a bar, by package cli.
#'   - `seed`, `retries`, `task_timeout`: as above, for this call.
#'   - `on_error`: `"stop"`: all elements are computed, then the first error is thrown; `"return"`: errors stand in the list in
#'     place of the values.
#'   - `globals`, `packages`: what the task sees of the session, see [what-travels].
#' - `$starmap(func, iterable, chunksize = NULL, ...)`: elements are argument lists; the same options.
#' - `$apply(func, args = list())`: one call.
#' - `$imap(func, iterable, chunksize = 1L)`, `$imap_unordered()`: iterators with `$next_value(timeout = NULL)` (error
#'   `StopIteration` at the end), `$has_next()`; they work with `as.list()` and `iterators::nextElem()`, not with `for`. The
#'   options are the pool's. `iterable`
#'   may be lazy: an iterator, or a function that returns the next element and signals the end with
#'   `stop("StopIteration")`; it is pulled a few elements ahead of the workers only.
#' - `$apply_async()`, `$map_async()`, `$starmap_async()`: the same arguments, and back at once with an [AsyncResult]; also
#'   `callback` and `error_callback`, functions of the value and of the error.
#' - `$close()`: no more jobs; `$join(timeout = NULL)`: waits until the workers have ended, and returns invisibly whether they
#'   have; `$terminate()`: ends them now.
#' - `$status()`: a data frame with a row for each worker: `worker`, its number; `pid`, `NA` when it has ended; `chunks`, how
#'   many it has computed.
#'
#' Without `chunksize` chunks are large first and small at the end, so that all workers are done at the same time.
#' A task sees the session as it is at the moment of the call: variables, methods, packages, options. (The line
#' `if __name__ == "__main__"` of Python's programs has no use here.)
#' [what-travels] explains it, its exceptions, and the arguments `globals = TRUE` and `packages = NULL` that all methods which
#' take a function have at their end. Local functions take the variables around them along; an argument of the surrounding
#' function that was not evaluated so far is evaluated first.
#'
#' @section Large data:
#' Large numeric, logical, complex and raw vectors (from 256 kB on) that a function needs are placed in shared memory with
#' the first job that has them, wherever they lie: in variables of the global environment or around a local function, in lists,
#' data frames or objects in these, or in `args`. Workers read them there. Later jobs of the same pool find them again as long
#' as the data are the same, bit by bit; so what was changed meanwhile, even in place, arrives as it is now. Your own variables
#' stay as they are, ordinary vectors. The pool keeps what its latest job with such data needed, and up to 1 GB (or a
#' sixteenth of the machine's memory) of what others needed before; it gives that up when memory is short, and all of it when
#' it is closed. [share()] puts a value there once for all pools, and saves the comparison.
#'
#' @section Errors:
#' `TaskError` (an element failed; its own condition is `$parent`), `WorkerDiedError` (fields `index`, `pid`,
#' `signal`, `exitcode`; after `task_timeout` it is a `TimeoutError` as well), `ValueError` (bad arguments, a closed pool),
#' `EncodingError` (a value that cannot travel), `ProcessError` (workers that cannot start; the pool of another process),
#' `TimeoutError` (a process is stopped); all are explained in [multiprocessing-package].
#'
#' @return A handle of class `Pool`.
#' @section Python: `multiprocessing.Pool(processes, initializer, initargs, maxtasksperchild)`.
#' @seealso [AsyncResult] and [wait()] for results that come later; [ProcessPoolExecutor()] for futures; [mclapply()]
#'   for one call; [what-travels] for what a task sees; [share()] for large data.
#' @concept parallel map
#' @concept parallel for loop
#' @concept process pool
#' @concept worker processes
#' @concept progress bar
#' @concept time limit of a task
#' @concept retry after a crash
#' @concept reproducible random numbers
#' @examples
#' pool <- Pool(2)
#' pool$map(function(x) x^2, 0:4, template = numeric(1))
#' pool$apply(paste, list("a", "b", sep = "-"))
#' it <- pool$imap(sqrt, c(1, 4, 9))
#' while (it$has_next()) print(it$next_value(timeout = 10))
#'
#' # further arguments, and the options of $map()
#' pool$map(function(x, power) x^power, 1:3, args = list(power = 3), chunksize = 1)
#' pairs <- list(list(1, 2), list(3, y = 4))
#' pool$starmap(function(x, y) x + y, pairs, chunksize = 1, on_error = "return")
#' pool$map(function(i) rnorm(1), 1:2, seed = 42)
#' pool$map(function(x) log(x), list(1, "a"), on_error = "return")[[1]]
#' pool$map(function(x) x * rate, 1:2, globals = list(rate = 10))
#' pool$map(function(file) file_ext(file), c("a.csv", "b.txt"), packages = "tools")
#'
#' # results as they finish, ten elements at a time; the source gives the next one when it is asked
#' i <- 0
#' following <- function() if (i < 30) i <<- i + 1 else stop("StopIteration")
#' sum(unlist(as.list(pool$imap_unordered(sqrt, following, chunksize = 10))))
#' unlist(as.list(pool$imap(sqrt, 1:4, chunksize = 2)))
#'
#' # in the background
#' r <- pool$map_async(sqrt, 1:3, callback = function(values) cat(length(values), "values\n"))
#' r$get(timeout = 10)
#' pool$starmap_async(function(x, y) x + y, list(list(1, 2)))$get()
#' pool$apply_async(function() "done", error_callback = function(e) message("it failed"))$get()
#'
#' # a task that takes too long, and one whose worker is killed and that is tried once more
#' results <- pool$map(Sys.sleep, c(0, 60), task_timeout = 0.5, on_error = "return")
#' class(results[[2]])[1]
#' tries <- Value("integer", 0)
#' pool$map(function(i) {
#'   tries$value <- tries$value + 1
#'   if (tries$value == 1) tools::pskill(Sys.getpid(), tools::SIGKILL)
#'   i
#' }, 1, retries = 1)
#' if (requireNamespace("cli", quietly = TRUE)) invisible(pool$map(sqrt, 1:4, progress = TRUE))
#' pool$status()
#' pool$close()
#' pool$join(timeout = 10)
#'
#' # of the pool itself
#' prepare <- function(x) assign("base", x, globalenv())
#' pool <- Pool(1, initializer = prepare, initargs = list(100), maxtasksperchild = 10)
#' pool$apply(function(x) get("base") + x, list(1))
#' pool$terminate()
#' pool <- Pool(1, retries = 1, task_timeout = 60, seed = 42) # for each call that says nothing else
#' pool$map(function(i) rnorm(1), 1:2)
#' pool$terminate()
#'
#' # terminated at the end of a block, or of the function that made it
#' with(pool <- Pool(1, context = "fork"), pool$apply(Sys.getpid) == Sys.getpid())
#' squares <- function(x) {
#'   pool <- local_pool(2)
#'   pool$map(function(x) x^2, x)
#' }
#' unlist(squares(1:3))
#' # terminated at the end of another function, here the one that calls
#' start_pool <- function(n) local_pool(n, retries = 1, envir = parent.frame())
#' sums <- function(x) {
#'   pool <- start_pool(2)
#'   pool$map(sum, x, template = numeric(1))
#' }
#' sums(list(1:2, 3:4))
#' @export
Pool <- function(processes = NULL, initializer = NULL, initargs = list(), maxtasksperchild = NULL, context = NULL,
                 retries = 0L, task_timeout = NULL, seed = NULL, ...) {
  if (...length()) refuse_arguments("Pool", names(formals()), ...)
  if (is.null(processes)) processes <- cpu_count()
  check_count(processes, "processes", 1, "; leave it out for one worker per core, cpu_count()")
  if (processes > 1000) {
    abort("ValueError", sprintf("`processes` is %s: a session has room for 1,000 workers", format(processes)))
  }
  if (!is.null(initializer)) check_function(initializer, "initializer")
  check_list(initargs, "initargs")
  if (!is.null(maxtasksperchild)) check_count(maxtasksperchild, "maxtasksperchild", 1)
  settings <- list(
    processes = as.integer(processes), initializer = initializer, initargs = initargs,
    maxtasks = if (is.null(maxtasksperchild)) -1L else as.integer(maxtasksperchild), method = method_of(context),
    options = list(
      retries = check_retries(retries), task_timeout = check_seconds(task_timeout), seed = check_seed(seed),
      template = NULL, progress = FALSE, on_error = "stop"
    )
  )
  ptr <- pool_open(settings)
  new_pool(ptr, settings) # while the workers start
}

#' @param ... for `local_pool()` the arguments of `Pool()`; for `with()` not used.
#' @param envir the frame at whose end the pool is terminated.
#' @return `local_pool()` a pool that is terminated when the calling function ends.
#' @rdname Pool
#' @export
local_pool <- function(..., envir = parent.frame()) {
  pool <- Pool(...)
  end <- as.call(list(function() pool$terminate()))
  do.call(base::on.exit, list(end, add = TRUE), envir = envir)
  pool
}

#' @param data a pool.
#' @param expr an expression, evaluated in the frame of the caller; then the pool is terminated.
#' @rdname Pool
#' @export
with.Pool <- function(data, expr, ...) {
  if (pool_state(private_of(data)$ptr)$closed) {
    abort("ValueError", "the pool is closed or terminated; create a new one with Pool()")
  }
  on.exit(data$terminate())
  if (missing(expr)) missing_argument("expr")
  expr
}

new_pool <- function(ptr, settings) {
  pool <- PoolHandle$new(ptr)
  list2env(list(
    settings = settings, spawns = !start_methods[[settings$method]]$copies, pending = new.env(parent = emptyenv()),
    delivering = FALSE, due = TRUE, attended = NULL, shut = FALSE, feeds = list()
  ), private_of(pool))
  pool
}

pool_methods <- function(self, private, ptr) list(
  map = function(func, iterable, chunksize = NULL, args = list(), ..., template = NULL, progress = FALSE,
                 seed = NULL, retries = NULL, task_timeout = NULL, on_error = c("stop", "return"), globals = TRUE, packages = NULL) {
    job_value(pool_map(private, "map", sys.call(), environment(), parent.frame(), ...))
  },
  map_async = function(func, iterable, chunksize = NULL, args = list(), ..., callback = NULL, error_callback = NULL,
                       template = NULL, progress = FALSE, seed = NULL, retries = NULL, task_timeout = NULL,
                       on_error = c("stop", "return"), globals = TRUE, packages = NULL) {
    async_result(
      self, private, pool_map(private, "map_async", sys.call(), environment(), parent.frame(), ...),
      callback, error_callback
    )
  },
  starmap = function(func, iterable, chunksize = NULL, ..., template = NULL, progress = FALSE, seed = NULL,
                     retries = NULL, task_timeout = NULL, on_error = c("stop", "return"), globals = TRUE, packages = NULL) {
    job_value(pool_map(private, "starmap", sys.call(), environment(), parent.frame(), ...))
  },
  starmap_async = function(func, iterable, chunksize = NULL, ..., callback = NULL, error_callback = NULL,
                           template = NULL, progress = FALSE, seed = NULL, retries = NULL, task_timeout = NULL,
                           on_error = c("stop", "return"), globals = TRUE, packages = NULL) {
    async_result(
      self, private, pool_map(private, "starmap_async", sys.call(), environment(), parent.frame(), ...),
      callback, error_callback
    )
  },
  apply = function(func = required("func"), args = list(), ..., globals = TRUE, packages = NULL) {
    if (...length()) unused_argument("apply", ...)
    func # an error in it names the user's call
    pool_apply(private, func, args, if (!missing(globals) || !missing(packages)) what_to_see(globals, packages, parent.frame()))
  },
  apply_async = function(func = required("func"), args = list(), callback = NULL, error_callback = NULL, ...,
                         globals = TRUE, packages = NULL) {
    if (...length()) unused_argument("apply_async", ...)
    func # an error in it names the user's call
    sees <- if (!missing(globals) || !missing(packages)) what_to_see(globals, packages, parent.frame())
    async_call(self, private, func, args, callback, error_callback, sees)
  },
  imap = function(func, iterable, chunksize = 1L, ..., globals = TRUE, packages = NULL) {
    pool_imap(self, private, "imap", sys.call(), environment(), parent.frame(), ...)
  },
  imap_unordered = function(func, iterable, chunksize = 1L, ..., globals = TRUE, packages = NULL) {
    pool_imap(self, private, "imap_unordered", sys.call(), environment(), parent.frame(), ...)
  },
  close = function() pool_shut(private),
  terminate = function() pool_end(private),
  join = function(timeout = NULL) pool_await_end(private, timeout),
  status = function() pool_status(private),
  format = function(...) pool_format(private)
)

PoolHandle <- handle_class("Pool", pool_methods)

pool_open <- function(settings) {
  options <- settings$options
  plain <- options$retries == 0L && is.null(options$task_timeout) && is.null(options$seed)
  ptr <- pool_create(settings$processes, function() worker_start(ptr, settings), plain)
  started <- FALSE
  on.exit(if (!started) pool_terminate(ptr)) # the system could not start all of them: end the others
  pool_start(ptr)
  started <- TRUE
  ptr
}

# Starts workers; called by the binding for the first ones and for those that replace others
worker_start <- function(ptr, settings) {
  what <- list(
    names = sprintf("PoolWorker-%d", seq_len(settings$processes)), parent = this_process(),
    warn = getOption("warn"), pool = pool_handle(ptr), maxtasks = settings$maxtasks,
    initializer = settings$initializer, initargs = settings$initargs
  )
  names <- what$names
  what <- start_methods[[settings$method]]$prepare("worker_main", what, list(settings$initializer, settings$initargs))
  list(what = what, method = settings$method, silent = FALSE, names = names)
}

with_index <- function(what, index) {
  what$index <- index
  what
}

# --- the pool's end ---

pool_shut <- function(private) {
  private$shut <- TRUE
  # lazy iterators that were started before will still submit jobs
  if (length(private$feeds)) pool_close_later(private$ptr) else pool_close(private$ptr)
  invisible(NULL)
}

refuse_if_shut <- function(private) {
  if (private$shut) abort("ValueError", "the pool is closed and accepts no more jobs; create a new one with Pool()")
}

pool_end <- function(private) {
  private$feeds <- list()
  private$shut <- FALSE # the pool itself refuses jobs now
  pool_terminate(private$ptr)
  let_go(private$attended)
  output_show()
  invisible(NULL)
}

pool_await_end <- function(private, timeout) {
  if (!pool_state(private$ptr)$closed) {
    abort("ValueError", "the pool still takes jobs: $close() or $terminate() it before $join()")
  }
  for (feed in private$feeds) feed_refill(feed, Inf)
  if (private$shut) pool_close(private$ptr)
  over <- pool_join(private$ptr, timeout)
  deliver_callbacks(private)
  invisible(over)
}

pool_status <- function(private) {
  state <- pool_state(private$ptr)
  data.frame(worker = seq_along(state$pids), pid = state$pids, chunks = state$chunks)
}

pool_format <- function(private) {
  state <- tryCatch(pool_state(private$ptr), ProcessError = function(e) NULL)
  if (is.null(state)) {
    return("<Pool of another process>")
  }
  left <- all(is.na(state$pids))
  how <- if (state$terminated) "terminated" else if (state$closed && left) "closed, its workers have left" else if (state$closed) "closed" else "running"
  sprintf(
    "<Pool of %s (%s, %s%s)>", counted(length(state$pids), "worker"), private$settings$method, how,
    if (state$unfinished > 0 && !state$terminated) sprintf(", %s unfinished", counted(state$unfinished, "job")) else ""
  )
}
