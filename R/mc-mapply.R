#' mapply and Map on several cores
#'
#' `mcmapply()` is [mapply()] and `mcMap()` is [Map()] with the elements computed in forked
#' processes, by [mclapply()]. They are drop-in replacements for [parallel::mcmapply()] and
#' [parallel::mcMap()].
#'
#' Names, simplification, recycling, warnings and random streams are parallel's; an element that
#' fails becomes a `try-error` and stays a list element (the result is then not simplified). What
#' differs from parallel is what differs in [mclapply()]: only the elements that failed are
#' `try-error`s, and a dead worker costs only the element that it was computing.
#'
#' @param FUN,f A function, or its name.
#' @param ... Vectors or lists whose elements are the arguments, recycled to the length of the longest; named ones become
#'   named arguments. For `mcMap()` also the arguments of `mcmapply()`, such as `mc.cores`.
#' @param MoreArgs A list of further arguments that are the same in every call.
#' @param SIMPLIFY `TRUE` to simplify the result to a vector or matrix where possible, `"array"`
#'   also to higher arrays, `FALSE` for a list; see [simplify2array()].
#' @param USE.NAMES Whether the result is named after the first of `...`: by its names, or by itself
#'   if it is a character vector without names.
#' @inheritParams mclapply
#' @returns As [mapply()]: a vector, matrix or array if it could be simplified, else a list.
#'   `mcMap()` always returns a list and workers' standard output is not shown (`mc.silent = TRUE`),
#'   as in parallel.
#' @section Errors: `ValueError` if zero-length inputs are mixed with others, or for a wrong
#'   `mc.cores`.
#' @seealso [mclapply()]; Python's `Pool.starmap()`, which here is `Pool(n)$starmap()`.
#' @concept parallel mapply
#' @concept parallel Map
#' @examples
#' mcmapply(function(x, y) x + y, c(a = 1, b = 2, c = 3), 4:6, mc.cores = 2)
#' mcmapply(rep, 1:3, 3:1, SIMPLIFY = FALSE, mc.cores = 2)
#' mcmapply(function(x, power) x^power, 1:3, MoreArgs = list(power = 2), mc.cores = 2)
#' mcMap(function(x, n) rep(x, n), 1:3, 3:1)
#'
#' # names of the first argument; mcmapply() has the arguments of mclapply(), too
#' mcmapply(toupper, c("a", "b"), USE.NAMES = FALSE, mc.cores = 2)
#' mcmapply(
#'   function(n, mean) rnorm(n, mean), 1:2, c(0, 10),
#'   mc.preschedule = FALSE, mc.set.seed = TRUE, mc.seed = 1, mc.silent = TRUE, mc.cleanup = TRUE,
#'   mc.cores = 2, affinity.list = list(NULL, NULL), mc.progress = FALSE, mc.retry = 1,
#'   mc.stop.on.error = TRUE
#' )
#' @export
mcmapply <- function(FUN, ..., MoreArgs = NULL, SIMPLIFY = TRUE, USE.NAMES = TRUE, mc.preschedule = TRUE,
                     mc.set.seed = TRUE, mc.silent = FALSE, mc.cores = getOption("mc.cores", 2L), mc.cleanup = TRUE,
                     affinity.list = NULL, mc.progress = FALSE, mc.retry = 0L, mc.seed = NULL,
                     mc.stop.on.error = FALSE) {
  if (missing(FUN)) missing_argument("FUN")
  if (!is.function(FUN)) FUN <- in_our_class(match.fun(FUN))
  if (...length()) refuse_other_words("mcmapply", names(formals()), FUN, ...)
  args <- list(...)
  if (!length(args)) {
    return(list())
  }
  first <- args[[1L]]
  sizes <- lengths(args)
  n <- max(sizes)
  if (n > 0L && min(sizes) == 0L) {
    abort("ValueError", "Zero-length inputs cannot be mixed with those of non-zero length")
  }
  if (any(sizes != n)) args <- lapply(args, rep, length.out = n)

  # `[` first and `.mapply()` after, so that classes whose `[[` differs from their `[` arrive as they do in mapply()
  # (with parallel's names, which stand in the errors of classes without a `[`)
  evaluate <- function(indices) {
    value <- .mapply(FUN, lapply(args, function(x) x[indices]), MoreArgs)
    single <- value[[1L]] # a single number travels without the list, which has only this element
    if (is.atomic(single) && length(single) == 1L && is.null(attributes(single))) single else value
  }
  res <- mc_apply(
    seq_len(n), evaluate,
    mc.preschedule = mc.preschedule, mc.set.seed = mc.set.seed, mc.silent = mc.silent,
    mc.cores = check_cores(mc.cores, pinned = !is.null(affinity.list)), mc.cleanup = mc.cleanup,
    mc.allow.recursive = TRUE, affinity.list = affinity.list, mc.progress = mc.progress, mc.retry = mc.retry,
    mc.seed = mc.seed, mc.stop.on.error = mc.stop.on.error, one_vector = !identical(SIMPLIFY, FALSE)
  )
  simple <- if (n > 0L && !identical(SIMPLIFY, FALSE)) unlist(res, recursive = FALSE)
  failed <- FALSE
  whole <- is.atomic(simple) && !is.null(simple) && !is.character(simple) # else it may have errors, which are strings
  if (whole) {
    res <- simple
  } else {
    wrapped <- vapply(res, is.list, TRUE)
    failed <- vapply(res[!wrapped], inherits, TRUE, "try-error")
    res[wrapped] <- lapply(res[wrapped], `[[`, 1L)
  }

  if (USE.NAMES) {
    labels <- if (is.null(names(first)) && is.character(first)) first else names(first)
    if (!is.null(labels)) names(res) <- labels
  }
  if (whole || any(failed) || identical(SIMPLIFY, FALSE)) {
    res
  } else {
    simplify2array(res, higher = SIMPLIFY == "array")
  }
}

#' @rdname mcmapply
#' @export
mcMap <- function(f, ...) {
  if (missing(f)) missing_argument("f")
  if (!is.function(f)) f <- in_our_class(match.fun(f))
  mcmapply(f, ..., SIMPLIFY = FALSE, mc.silent = TRUE)
}
