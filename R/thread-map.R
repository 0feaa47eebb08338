#' Compiled functions on all cores
#'
#' `thread_map()` applies a function to every element of a vector or matrix, `thread_reduce()` makes one number of them,
#' both in threads of this process: nothing is copied, started or sent, which suits quick functions and large vectors.
#' R itself can run in one thread only, so the function is a compiled one; for R functions there are processes, see
#' [mclapply()] and [Pool()].
#'
#' Small inputs are done without threads. In a process that is itself a worker (of a `Pool()`, of `mclapply()`, of any
#' fork) the default is one thread, as the other cores have workers of their own; `threads` overrides that.
#'
#' The results of `thread_map()` are those of the base R functions of the same names, to the last bit. `thread_reduce()`
#' cuts `x` by its length alone and joins the parts in order, so the result does not depend on the number of threads; the
#' sum, product and mean of more than 4096 doubles can differ from base R's in the last digit, as base R adds in another
#' order. Sums of integers are integers, or doubles when they are too large for that.
#'
#' @param x a numeric, integer or logical vector, matrix or array, without a class.
#' @param fun what to compute, one of
#'   - a name. For single elements: `"sqrt"`, `"exp"`, `"expm1"`, `"log"`, `"log2"`, `"log10"`, `"log1p"`, `"sin"`, `"cos"`,
#'     `"tan"`, `"asin"`, `"acos"`, `"atan"`, `"sinh"`, `"cosh"`, `"tanh"`, `"asinh"`, `"acosh"`, `"atanh"`, `"floor"`,
#'     `"ceiling"`, `"trunc"`, `"abs"`, `"sign"`. For many: `"sum"`, `"prod"`, `"min"`, `"max"`, `"mean"`;
#'   - a function compiled by [cpp_fun()];
#'   - an external pointer made by `multiprocessing::kernel<f>()` in the C++ code of another package.
#' @param threads the number of threads; `NULL` for as many as suit this process: [cpu_count()], or what
#'   `RcppParallel::setThreadOptions()` says. At most 1024; threads beyond the cores are
#'   not started.
#' @param margin `1` or `2` to give `fun` one row or column of a matrix at a time; `NULL` for single elements.
#' @param init where to begin: `fun(fun(init, x[1]), x[2])` and so on. A compiled function needs it if `x` is empty.
#' @return `thread_map()`: a vector of the length of `x` with its names, `dim` and `dimnames`; with a `margin` and a function
#'   that makes one number of many, one number for each row or column. `thread_reduce()`: one number; with a `margin`, one
#'   for each row or column. Double, or integer where base R's function or a `cpp_fun()` gives integers.
#' @section Errors: `ValueError` for anything that cannot be mapped and for a compiled function that is not in this process;
#'   `RuntimeError` with the text of what a compiled function threw.
#' @section Python: `numpy`'s functions, or `multiprocessing.pool.ThreadPool` for code that releases the lock (the GIL) that
#'   Python's threads share.
#' @seealso [cpp_fun()] to compile a function; [Pool()] and [mclapply()] for R functions.
#' @concept threads
#' @concept multithreading
#' @concept OpenMP
#' @concept RcppParallel
#' @examples
#' thread_map(c(a = 1, b = 4, c = NA), "sqrt", threads = 2)
#' m <- matrix(as.numeric(1:6), 2)
#' thread_map(m, "mean", margin = 1)
#' thread_reduce(m, "sum", threads = 2)
#' thread_reduce(m, "max", margin = 2) # of each column
#' thread_reduce(numeric(0), "sum", init = 0)
#' @export
thread_map <- function(x, fun, threads = NULL, margin = NULL) {
  if (missing(x)) missing_argument("x")
  if (missing(fun)) missing_argument("fun")
  .Call(`_multiprocessing_thread_map_run`, x, fun, threads, margin)
}

#' @rdname thread_map
#' @export
thread_reduce <- function(x, fun, init = NULL, threads = NULL, margin = NULL) {
  if (missing(x)) missing_argument("x")
  if (missing(fun)) missing_argument("fun")
  if (!is.character(fun)) {
    return(.Call(`_multiprocessing_thread_reduce_run`, x, fun, init, threads, margin))
  }
  if (length(x) == 0L && is.null(margin)) {
    .Call(`_multiprocessing_thread_reduce_run`, 1, fun, init, threads, NULL) # checks the arguments
    return(do.call(fun, c(list(x), if (!is.null(init)) init), envir = baseenv()))
  }
  value <- .Call(`_multiprocessing_thread_reduce_run`, x, fun, NULL, threads, margin)
  if (is.null(init)) value else join_init(fun, init, value)
}

# Called by the binding, when threads are first used. NULL: no TBB here. Its symbols are in RcppParallel's library.
load_tbb <- function() {
  tryCatch(
    {
      RcppParallel::defaultNumThreads()
      folder <- dirname(getLoadedDLLs()[["multiprocessing"]][["path"]])
      library <- dyn.load(file.path(folder, paste0("threads_tbb", .Platform$dynlib.ext)))
      getNativeSymbolInfo("multiprocessing_enqueue", library)$address
    },
    error = function(e) NULL
  )
}

# Called by the binding
warn_of_threads <- function(message) warning(message, call. = FALSE)

join_init <- function(fun, init, value) {
  if (!is.numeric(init) || is.object(init) || length(init) != 1L) {
    abort("ValueError", sprintf("`init` must be one number, not %s", describe_value(init)))
  }
  switch(fun,
    sum = init + value,
    prod = init * value,
    min = pmin(value, init),
    max = pmax(value, init),
    abort("ValueError", "`init` cannot be used with \"mean\"")
  )
}
