#' A pool of workers as an executor
#'
#' Runs calls in worker processes and returns a [Future] for each, as Python's module `concurrent.futures` does. Below it is a
#' [Pool()]: what its page says of start methods, and of what travels with a function, holds here, too.
#'
#' @param max_workers the number of workers; by default, [cpu_count()].
#' @param initializer,initargs a function that each worker calls first, and a list of its arguments.
#' @param max_tasks_per_child replace a worker by a fresh one after this many calls; by default, never.
#' @param context a start method, `"fork"` or `"spawn"`, or what [get_context()] returned; by default, [get_start_method()].
#' @param globals,packages what all calls see of the session, see [what-travels]. (`...` of the methods belongs to `fn`.) Names of
#'   variables are looked up at each call, in the frame that calls the method.
#' @section Methods:
#' - `$submit(fn, ...)`: the call `fn(...)`, as a [Future]. Returns at once.
#' - `$map(fn, ..., timeout = NULL, chunksize = 1L, buffersize = NULL)`: calls `fn` with the first elements of all vectors or lists in
#'   `...`, then with the second ones, and so on until the shortest ends. All calls are submitted at once; `chunksize` elements
#'   travel together. Returns an iterator over the values, in order, with `$has_next()` and `$next_value()`; `as.list()` takes all. It
#'   signals the first error that it meets, cancels what no worker has begun, and ends. `timeout` counts from the call of `$map()`.
#'   With a `buffersize` at most so many chunks are submitted before their values were given; each value that is given makes room for
#'   another one. Then `...` may also be sources that never end, as those of `$imap()` of a [Pool()].
#' - `$shutdown(wait = TRUE, cancel_futures = FALSE)`: no more calls are accepted. What was submitted is still computed, unless
#'   `cancel_futures = TRUE` cancels what no worker has begun. `wait = TRUE` returns when all workers have ended.
#' - `$terminate_workers()`, `$kill_workers()`: end the workers at once. No more calls are accepted; what no worker has begun is cancelled,
#'   and a call that was being computed is a `BrokenProcessPool`. (Both are the same here: a worker that is killed blocks no other process.)
#'
#' `with(executor, expr)` evaluates `expr` and then calls `$shutdown()`.
#' @section Errors: `RuntimeError` (`$submit()` after `$shutdown()`), `ValueError` (bad arguments), `EncodingError` (an argument that
#'   cannot travel: `$submit()` itself signals it, and no future is made), `BrokenProcessPool` (the workers cannot start: then also
#'   each later call of `$submit()`), and those of [Future].
#' @section Lifetime: What was submitted is computed, as in Python: also after `$shutdown(wait = FALSE)`, after the executor and its
#'   futures were dropped, and at the end of a script or of R, which waits for it. (Ctrl-C ends this wait, and gives up
#'   what is left.) After that the workers end. Callbacks of futures are called, whether the futures were dropped or not, see
#'   [Future]. What else only this session can do is done while it waits in any call of this package, when the next executor is
#'   created, and at the end: to replace a worker that was killed meanwhile, or has computed its `max_tasks_per_child`; and, where
#'   more than 16,384 calls were waiting, to hand out those beyond that number. The workers of a dropped [Pool()] end at once,
#'   unless it has callbacks to call.
#' @section Killed workers: A worker that is killed costs the call that it was computing: its future gets a `WorkerDiedError`, a new worker
#'   starts, and the executor stays usable. In Python all futures of the executor fail with `BrokenProcessPool`.
#' @return A handle of class `ProcessPoolExecutor`.
#' @section Python: `concurrent.futures.ProcessPoolExecutor(max_workers, mp_context, initializer, initargs, max_tasks_per_child)`.
#' @seealso [Future], [wait_futures()], [as_completed()], [Pool()]
#' @concept concurrent.futures
#' @concept asynchronous
#' @concept process pool
#' @examples
#' executor <- ProcessPoolExecutor(2)
#' f <- executor$submit(function(x, y) x + y, 40, y = 2)
#' f$result()
#' unlist(as.list(executor$map(function(a, b) a * b, 1:3, 4:6)))
#' it <- executor$map(sqrt, c(1, 4, 9), timeout = 60, chunksize = 2)
#' while (it$has_next()) print(it$next_value())
#' n <- 0
#' numbers <- executor$map(sqrt, function() n <<- n + 1, buffersize = 4) # without an end
#' c(numbers$next_value(), numbers$next_value())
#' executor$shutdown(wait = TRUE, cancel_futures = TRUE)
#'
#' prepare <- function(x) assign("rate", x, globalenv())
#' ready <- ProcessPoolExecutor(1, initializer = prepare, initargs = list(3), max_tasks_per_child = 5)
#' ready$submit(function(x) x * get("rate"), 2)$result()
#' ready$shutdown()
#'
#' spawned <- ProcessPoolExecutor(
#'   max_workers = 1, context = "spawn", globals = list(rate = 4), packages = "tools"
#' )
#' spawned$submit(function(file) paste(file_ext(file), rate), "a.csv")$result()
#' spawned$shutdown()
#'
#' with(ex <- ProcessPoolExecutor(1), ex$submit(sqrt, 16)$result())
#' @export
ProcessPoolExecutor <- function(max_workers = NULL, initializer = NULL, initargs = list(), max_tasks_per_child = NULL,
                                context = NULL, globals = TRUE, packages = NULL) {
  if (!is.character(globals) || anyNA(globals)) check_globals(globals, parent.frame())
  check_packages(packages)
  if (!is.null(max_workers)) check_count(max_workers, "max_workers", 1)
  if (!is.null(max_tasks_per_child)) check_count(max_tasks_per_child, "max_tasks_per_child", 1)
  pool <- Pool(max_workers, initializer, initargs, max_tasks_per_child, context)
  ExecutorHandle$new(pool, globals, packages)
}

ExecutorHandle <- R6::R6Class("ProcessPoolExecutor",
  cloneable = FALSE,
  public = list(
    initialize = function(pool, globals, packages) {
      private$pool <- pool
      private$globals <- globals
      private$packages <- packages
      private$below <- private_of(pool)
      private$shared <- new.env(parent = emptyenv())
      private$shared$withdrawn <- new.env(parent = emptyenv())
      private$life <- begin_life(private$below, private$shared)
      private$direct <- isTRUE(globals) && is.null(packages) # the short way, see what_to_see()
    },
    # without an `f` here R would match one that is meant for `fn` with `fn` itself, as its short form
    submit = function(fn = required("fn"), ..., f) {
      args <- if (missing(f)) list(...) else with_f(list(...), f, sys.call())
      future <- if (private$direct) .Call(`_multiprocessing_pool_begin`, future_kind, private$shared, private$below, fn, args)
      if (is.null(future)) executor_submit(private, fn, args, parent.frame()) else future
    },
    map = function(fn = required("fn"), ..., timeout = NULL, chunksize = 1L, buffersize = NULL, f) {
      iterables <- if (missing(f)) list(...) else with_f(list(...), f, sys.call())
      executor_map(private, fn, iterables, timeout, chunksize, buffersize, parent.frame())
    },
    shutdown = function(wait = TRUE, cancel_futures = FALSE) executor_shutdown(private, wait, cancel_futures),
    terminate_workers = function() executor_end(private),
    kill_workers = function() executor_end(private),
    format = function(...) executor_format(private),
    print = function(...) print_formatted(self)
  ),
  private = list(pool = NULL, below = NULL, globals = TRUE, packages = NULL, shared = NULL, life = NULL, closed = FALSE, direct = FALSE)
)

# Puts `f` where it stands among the arguments of `call`; last if it came by the dots of a wrapper
with_f <- function(args, f, call) {
  given <- names(call)[-1L]
  own <- given %in% c("fn", "timeout", "chunksize", "buffersize")
  if (!"fn" %in% given) own[match("", given)] <- TRUE
  at <- match("f", given)
  append(args, list(f = f), if (is.na(at)) length(args) else sum(!own[seq_len(at - 1L)]))
}

check_open <- function(private) {
  if (private$closed) abort("RuntimeError", "this executor was shut down: create a new ProcessPoolExecutor()")
}

executor_sees <- function(private, frame) what_to_see(private$globals, private$packages, frame)

# The long way: for a call that takes more along than its function and plain arguments
executor_submit <- function(private, fn, args, frame) {
  check_open(private)
  check_function(fn, "fn")
  pool <- private$below
  sees <- executor_sees(private, frame)
  suspendInterrupts({
    job <- pool_single(pool, fn, args, sees)
    pool_outcome(future_kind, private$shared, pool, job$id, NULL)
  })
}

executor_shutdown <- function(private, wait, cancel_futures) {
  check_flag(wait, "wait")
  check_flag(cancel_futures, "cancel_futures")
  pool_private <- private$below
  private$closed <- TRUE
  private$direct <- FALSE
  if (cancel_futures) {
    for (id in pool_unclaimed(pool_private$ptr)) {
      if (pool_withdraw(pool_private$ptr, id)) assign(as.character(id), TRUE, private$shared$withdrawn)
    }
    deliver_callbacks(pool_private)
  }
  private$pool$close()
  if (wait) {
    private$pool$join()
    is_over(private$life, 0)
  }
  invisible(NULL)
}

executor_end <- function(private) {
  executor_shutdown(private, FALSE, TRUE)
  private$shared$over <- TRUE
  private$pool$terminate()
  forget_life(private$life)
  deliver_callbacks(private$below)
  invisible(NULL)
}

executor_format <- function(private) {
  state <- tryCatch(pool_state(private$below$ptr), ProcessError = function(e) NULL)
  if (is.null(state)) {
    return("<ProcessPoolExecutor of another process>")
  }
  workers <- length(state$pids)
  sprintf(
    "<ProcessPoolExecutor of %d %s (%s%s)>", workers, if (workers == 1L) "worker" else "workers",
    if (private$closed) "shut down" else "running",
    if (state$unfinished > 0) sprintf(", %d unfinished", state$unfinished) else ""
  )
}

#' @param data an executor.
#' @param expr an expression, evaluated in the frame of the caller; then the executor is shut down.
#' @param ... not used.
#' @rdname ProcessPoolExecutor
#' @export
with.ProcessPoolExecutor <- function(data, expr, ...) {
  on.exit(data$shutdown())
  if (missing(expr)) missing_argument("expr")
  expr
}
