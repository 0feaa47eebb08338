#' lapply on several cores
#'
#' `mclapply()` is [lapply()] with the elements computed in forked processes, which see all of the
#' session's data and packages. It is a drop-in replacement for [parallel::mclapply()]: changing
#' `library(parallel)` to `library(multiprocessing)` is all it takes. `mcvapply()` is [vapply()] in
#' the same way.
#'
#' With `mc.preschedule = TRUE` element i is computed by core `(i - 1) %% cores + 1`, so that each
#' of `mc.cores` processes gets a share that is known in advance. With `FALSE` each process takes
#' the next element when it is done with one: better if the elements take very different times.
#'
#' Handlers around the call work on what tasks signal, too: [suppressWarnings()],
#' [withCallingHandlers()], [globalCallingHandlers()]. They run in the worker, and change nothing in
#' the session.
#'
#' The call returns when all results have arrived and no worker runs any more. The system then needs as
#' long to remove a worker's copy of a large session as it needed to make it. A thread waits for that, so
#' that no worker stays defunct. (After an error with `mc.stop.on.error = TRUE` workers are killed; the session's next use of this
#' package removes them from the list of processes, if they are still being taken down when the call returns.)
#'
#' @section Sessions that hold gigabytes:
#' A fork copies the tables of the session's pages: with 1 GB of data a call takes about ten times as long as in an empty session.
#' Data in shared memory cost a fork nothing: after `x <- share(x)` (and a [gc()], which frees what `x` was) the call begins at once,
#' and `FUN` reads `x` as before. See [share()].
#'
#' @section Which `mclapply()` is called:
#' The package that was attached last comes first: after `library(multiprocessing); library(parallel)` the name `mclapply` is
#' parallel's again, and R says so when it attaches parallel. Attach this package last, or leave `library(parallel)` out: its
#' other functions are exported here, too. Packages that call `parallel::mclapply()`, or import it, keep parallel's.
#'
#' @section Random numbers:
#' As in parallel. With `RNGkind("L'Ecuyer-CMRG")` and `mc.set.seed = TRUE` every core (with
#' `mc.preschedule = FALSE` every element) draws from a stream of its own, counted from the
#' session's `.Random.seed`: results can be reproduced by `set.seed(123, "L'Ecuyer-CMRG")` and are
#' the numbers that parallel gives. With other generators each process starts from a random seed.
#' With `mc.set.seed = FALSE` all start from the session's state, and draw the same numbers.
#' `mc.seed` gives element i the ith stream after that seed: the same numbers for any number of
#' cores, any schedule and any retry, and the session's own random state is neither used nor
#' changed.
#'
#' @section Errors, and workers that die:
#' An element whose computation stops becomes a `try-error` (as made by [try()], its condition in
#' attribute `"condition"`), and a warning is given. An element whose process died (killed, out of
#' memory, crashed, `quit()`) becomes a `try-error` whose condition is a `WorkerDiedError` with
#' fields `index`, `pid`, `signal` and `exitcode`, and the warning names it. The result always has
#' the length of `X`. With only one element, or `mc.cores = 1`, nothing is forked, and an error
#' stops `mclapply()` as it stops `lapply()`.
#'
#' @section Differences to parallel:
#' Everything not listed here is meant to be identical to the `mclapply()` of R 4.2's parallel,
#' attributes and texts included.
#' 1. *A failing element does not take its core's whole share with it: it alone is a `try-error`.* With `mc.preschedule = TRUE`, parallel puts
#'    the first error of a core in place of all elements of that core, those that were computed
#'    included. Here the others are computed and returned. The warning says the same cores, then the
#'    elements ("scheduled core 2 encountered error in user code, element 4 is affected"). The same holds
#'    for a task that jumps to a handler or restart outside of it, such as that of a [tryCatch()] around
#'    the call: the jump ends in the worker, and the result is parallel's "fatal error in wrapper code".
#' 2. *A worker that dies costs only the element it was computing.* parallel loses the core's whole
#'    share and leaves `NULL`s, which cannot be told from results. Here another process continues
#'    the share, and the lost element is a `try-error` as described above. A share that is continued
#'    draws from further substreams of its core's random stream, never the same numbers again.
#' 3. *`mc.preschedule = FALSE` reuses its processes* instead of forking one for each element, which
#'    makes small tasks many times faster. Random state and generator kind are set for each element
#'    as if it had been forked for it; other things that a task leaves behind (a global variable, an
#'    attached package) are seen by later tasks of the same process, as they always were with
#'    `mc.preschedule = TRUE`, and `Sys.getpid()` repeats.
#' 4. *The call in an error is always `FUN(X[[i]], ...)`*. With `mc.preschedule = FALSE` and more
#'    elements than cores, parallel shows its own loop variable, `FUN(X[[nexti]], ...)`, for all but
#'    the first (and `substitute()` in `FUN` sees it).
#' 5. *`FUN` is looked up before anything is forked*, from where `mclapply()` was called: a function
#'    that does not exist is an error at once rather than `length(X)` `try-error`s, and the name of
#'    a function that is local to the caller works as it does in `lapply()`.
#' 6. *What workers print* arrives in this session's console, in whole lines, and is seen by [sink()]
#'    and [capture.output()]; parallel's workers write over each other, and past both. So do the
#'    warnings of tasks, on standard error as they come: with the default `options(warn = 0)`, which
#'    would keep them for a prompt that a worker never reaches, `getOption("warn")` is 1 in a worker.
#'    parallel drops them.
#' 7. *`affinity.list`*: an element whose entry is empty runs on any CPU (parallel never runs it),
#'    and an empty `X` with an empty `affinity.list` gives an empty list (in parallel an error).
#'    Elements start in the order of parallel as far as that is defined: first the first element
#'    allowed on each CPU, then the others in their own order; which of these follows which depends,
#'    in both, on the times that they take. The session's own affinity is put back if `FUN` fails.
#' 8. *Wrong arguments* give errors of class `ValueError` with parallel's text. `mc.cleanup` is checked
#'    before anything is computed, not after. An argument that `FUN` does not have and that looks like one of
#'    `mclapply()`'s, such as `cores = 2`, is such an error; in parallel every element is a `try-error`.
#' 9. *A `try-error` that `FUN` returns is a result.* With `mc.preschedule = FALSE` and no more
#'    elements than cores, parallel warns that it was an error, although the task had caught it.
#' 10. *A name or call that `FUN` returns is returned as it is.* In the same situation parallel
#'     evaluates it a second time.
#' 11. `mc.progress`, `mc.retry`, `mc.seed` and `mc.stop.on.error` are arguments of this function,
#'     and so cannot be arguments that `...` passes on to `FUN`.
#' 12. *`FUN` is compiled in the session* if it is not yet and there are more elements than cores. In
#'    the workers R's compiler is off, as in parallel: what it makes there is lost with them.
#' 13. *[interactive()] is `FALSE` in all workers*, as no user answers there. In parallel it is `FALSE`
#'    without prescheduling and in [pvec()] and [mcparallel()] only.
#'
#' @param X A vector, list or anything that [as.list()] takes.
#' @param FUN A function of an element of `X`, or its name.
#' @param ... Further arguments of `FUN`. As in `lapply()` they are evaluated when `FUN` first uses
#'   them, here in the worker.
#' @param mc.preschedule Whether each core gets its share in advance (see Details of [mclapply()]).
#' @param mc.set.seed Whether workers get random streams of their own (see Random numbers in
#'   [mclapply()]).
#' @param mc.silent `TRUE` drops what workers write to standard output; standard error is not
#'   affected.
#' @param mc.cores How many processes to use at a time, at least 1; never more than there are elements. By default option
#'   `mc.cores`, or 2 if it is not set.
#' @param mc.cleanup What happens to workers if the call is interrupted: `TRUE` ends them by
#'   SIGTERM, a number by the signal of that number, with `FALSE` they finish what they compute.
#' @param mc.allow.recursive Whether a call inside a worker or [Process()] forks again (`TRUE`) or is a
#'   plain `lapply()`.
#' @param affinity.list `NULL`, or a list with the CPUs (numbers from 1) on which each element may
#'   run; see [mcaffinity()]. It needs `mc.preschedule = FALSE`. The number of processes is then
#'   that of the CPUs named, not `mc.cores`.
#' @param mc.progress `TRUE` shows a progress bar, by package cli.
#' @param mc.retry How many times an element is tried again if its worker died; by default not once.
#' @param mc.seed `NULL`, or a whole number: a seed for random numbers that do not depend on the
#'   cores (see Random numbers in [mclapply()]).
#' @param mc.stop.on.error `TRUE` stops at the first failure with its `TaskError` (which inherits
#'   the classes of the task's own condition) or `WorkerDiedError`, and does not start what had not
#'   been started yet.
#' @returns `mclapply()`: a list of the length of `X` with its names. `mcvapply()`: a vector or
#'   array, as from [vapply()].
#' @section Errors: `ValueError` for `mc.cores` below 1 or an `affinity.list` shorter than `X`; `TimeoutError` if a process is
#'   stopped, see [multiprocessing-package].
#' @seealso [mcmapply()], [pvec()], [mcparallel()], [mc.reset.stream()]. `Pool(n)$map(f, x)`,
#'   Python's way, keeps its workers from one call to the next.
#' @concept parallel lapply
#' @concept parallel vapply
#' @concept progress bar
#' @concept killed worker
#' @concept multicore
#' @concept parallel for loop
#' @examples
#' mclapply(c(a = 1, b = 2, c = 3), function(x) x^2, mc.cores = 2)
#' mclapply(1:3, rep, times = 2, mc.cores = 2) # further arguments of FUN
#' mcvapply(1:4, function(x) x / 2, numeric(1), mc.cores = 2)
#'
#' # only the element that failed is lost
#' res <- suppressWarnings(mclapply(1:4, function(i) if (i == 3) stop("three") else i, mc.cores = 2))
#' vapply(res, inherits, TRUE, "try-error")
#'
#' # elements that take different times: the next one goes to the process that is done first
#' unlist(mclapply(3:1, function(i) { Sys.sleep(i / 50); i }, mc.cores = 2, mc.preschedule = FALSE))
#' # numbers that can be reproduced, with any number of cores
#' one <- mclapply(1:3, rnorm, mc.cores = 1, mc.seed = 1)
#' identical(mclapply(1:3, rnorm, mc.cores = 2, mc.seed = 1), one)
#' # stop at the first failure; what workers print is dropped
#' try(mclapply(1:4, function(i) stop("no"), mc.cores = 2, mc.stop.on.error = TRUE))
#' invisible(mclapply(1:2, print, mc.cores = 2, mc.silent = TRUE))
#' # random numbers of parallel's streams, the same after the same seed
#' old <- RNGkind("L'Ecuyer-CMRG")
#' set.seed(1)
#' first <- mclapply(1:2, rnorm, mc.cores = 2, mc.set.seed = TRUE)
#' set.seed(1)
#' identical(mclapply(1:2, rnorm, mc.cores = 2), first)
#' RNGkind(old[1])
#' # elements on chosen CPUs: the first on one, the second on any
#' cpu <- mcaffinity()[1]
#' pid <- function(i) Sys.getpid()
#' length(mclapply(1:2, pid, mc.preschedule = FALSE, affinity.list = list(cpu, NULL)))
#' # a call in a worker is a plain lapply() here
#' nested <- function(i) mclapply(1:2, pid, mc.cores = 2, mc.allow.recursive = FALSE)
#' lengths(mclapply(1:2, nested, mc.cores = 2))
#' # a bar; workers get SIGINT, not SIGTERM, if the call is interrupted
#' if (requireNamespace("cli", quietly = TRUE)) {
#'   invisible(mclapply(1:4, sqrt, mc.cores = 2, mc.progress = TRUE, mc.cleanup = tools::SIGINT))
#' }
#' # mcvapply() has these arguments, too
#' mcvapply(
#'   c("a", "b"), function(x, n) strrep(x, n), character(1), n = 2, USE.NAMES = FALSE,
#'   mc.cores = 2, mc.preschedule = FALSE, mc.set.seed = FALSE, mc.silent = TRUE, mc.cleanup = TRUE,
#'   mc.allow.recursive = FALSE, affinity.list = list(NULL, NULL), mc.progress = FALSE,
#'   mc.retry = 1, mc.seed = 1
#' )
#' # a killed worker's element is tried again
#' tries <- Value("integer", 0)
#' unlist(mclapply(1:2, function(i) {
#'   if (i == 1 && tries$value == 0) {
#'     tries$value <- 1
#'     tools::pskill(Sys.getpid(), tools::SIGKILL)
#'   }
#'   i
#' }, mc.cores = 2, mc.retry = 1))
#' @export
mclapply <- function(X, FUN, ..., mc.preschedule = TRUE, mc.set.seed = TRUE, mc.silent = FALSE,
                     mc.cores = getOption("mc.cores", 2L), mc.cleanup = TRUE, mc.allow.recursive = TRUE,
                     affinity.list = NULL, mc.progress = FALSE, mc.retry = 0L, mc.seed = NULL,
                     mc.stop.on.error = FALSE) {
  if (missing(X)) missing_argument("X")
  if (missing(FUN)) missing_argument("FUN")
  mc.cores <- check_cores(mc.cores, pinned = !is.null(affinity.list))
  if (!is.function(FUN)) FUN <- in_our_class(match.fun(FUN))
  if (...length()) refuse_other_words("mclapply", names(formals()), FUN, ...)
  mc_apply(
    X, FUN, ...,
    mc.preschedule = mc.preschedule, mc.set.seed = mc.set.seed, mc.silent = mc.silent, mc.cores = mc.cores,
    mc.cleanup = mc.cleanup, mc.allow.recursive = mc.allow.recursive, affinity.list = affinity.list,
    mc.progress = mc.progress, mc.retry = mc.retry, mc.seed = mc.seed, mc.stop.on.error = mc.stop.on.error
  )
}

#' @rdname mclapply
#' @param FUN.VALUE A vector: the type, length and names that every result of `FUN` must have. A
#'   wrong one is an error, as in `vapply()`, and so is a task that fails (`mc.stop.on.error =
#'   TRUE`).
#' @param USE.NAMES Whether a character `X` without names names the result.
#' @export
mcvapply <- function(X, FUN, FUN.VALUE, ..., USE.NAMES = TRUE, mc.preschedule = TRUE, mc.set.seed = TRUE,
                     mc.silent = FALSE, mc.cores = getOption("mc.cores", 2L), mc.cleanup = TRUE,
                     mc.allow.recursive = TRUE, affinity.list = NULL, mc.progress = FALSE, mc.retry = 0L,
                     mc.seed = NULL) {
  if (missing(X)) missing_argument("X")
  if (missing(FUN)) missing_argument("FUN")
  if (missing(FUN.VALUE)) missing_argument("FUN.VALUE")
  mc.cores <- check_cores(mc.cores, pinned = !is.null(affinity.list))
  if (!is.vector(X) || is.object(X)) X <- as.list(X)
  if (USE.NAMES && is.character(X) && is.null(names(X))) names(X) <- X
  if (!is.function(FUN)) FUN <- in_our_class(match.fun(FUN))
  if (...length()) refuse_other_words("mcvapply", names(formals()), FUN, ...)
  res <- mc_apply(
    X, FUN, ...,
    mc.preschedule = mc.preschedule, mc.set.seed = mc.set.seed, mc.silent = mc.silent, mc.cores = mc.cores,
    mc.cleanup = mc.cleanup, mc.allow.recursive = mc.allow.recursive, affinity.list = affinity.list,
    mc.progress = mc.progress, mc.retry = mc.retry, mc.seed = mc.seed, mc.stop.on.error = TRUE, mc.template = FUN.VALUE
  )
  if (!USE.NAMES) {
    if (is.array(res)) dimnames(res) <- NULL else names(res) <- NULL
  }
  res
}
