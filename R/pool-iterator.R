# Iterators over results. A source that is a vector or a list is one job whose elements are awaited one by one; a
# lazy source is pulled into small jobs, a few more than there are workers.

# `frame`, `call`, `caller`: as in pool_map()
pool_imap <- function(.pool, .private, .method, .call, .frame, .caller, ...) {
  check_names(given_names(.call, .caller), .method)
  if (...length()) unknown_option(first_name(...), .method)
  func <- function_argument(.frame, "func", .caller)
  chunksize <- .frame$chunksize
  check_chunksize(chunksize, .method)
  if (eval(quote(missing(iterable)), .frame)) missing_argument("iterable")
  iterable <- .frame$iterable
  ordered <- .method == "imap"
  sees <- what_to_see(.frame$globals, .frame$packages, .caller)
  lazy <- lazy_source(iterable)
  if (!is.null(lazy)) {
    return(LazyIterator$new(.pool, .private, sees, func, lazy, chunksize, ordered))
  }
  # its finalizer abandons the job: no Ctrl-C may come between the two
  suspendInterrupts(EagerIterator$new(.pool, .private, sees, func, unname(as_elements(iterable)), chunksize, ordered))
}

# A function that returns list(element), or NULL at the end; NULL if `x` is not lazy
lazy_source <- function(x) {
  pull <- if (inherits(x, "iter") || inherits(x, "abstractiter")) {
    if (!requireNamespace("iterators", quietly = TRUE)) {
      abort("ValueError", "this `iterable` needs package iterators: install.packages(\"iterators\")")
    }
    function() iterators::nextElem(x)
  } else if (inherits(x, "PoolIterator")) {
    function() x$next_value()
  } else if (is.function(x)) {
    x
  }
  if (is.null(pull)) {
    return(NULL)
  }
  function() {
    tryCatch(list(pull()), StopIteration = function(e) NULL, error = function(e) {
      if (startsWith(message_of(e), "StopIteration")) NULL else stop(e)
    })
  }
}

PoolIterator <- R6::R6Class("PoolIterator",
  cloneable = FALSE,
  public = list(
    next_value = function(timeout = NULL) iterator_next(self, private, timeout),
    has_next = function() private$more(),
    nextElem = function() next_element(self),
    format = function(...) iterator_format(private),
    print = function(...) print_formatted(self)
  ),
  private = list(pool = NULL, ordered = TRUE)
)

iterator_format <- function(private) {
  order <- if (private$ordered) "in order" else "as they finish"
  sprintf("<PoolIterator (%s, %s)>", order, private$progress())
}

# For package iterators, whose users test for this text
next_element <- function(iterator) {
  if (!iterator$has_next()) abort("StopIteration", "StopIteration")
  iterator$next_value()
}

iterator_next <- function(self, private, timeout) {
  if (!private$more()) {
    abort("StopIteration", "StopIteration: the iterator has no more elements; ask $has_next() before $next_value()")
  }
  got <- private$take(timeout)
  if (is.null(got)) abort("TimeoutError", paste0("no next element", waited(timeout)))
  if (!is.null(got$failure)) raise(got$failure)
  got$value
}

EagerIterator <- R6::R6Class("EagerIterator",
  inherit = PoolIterator, cloneable = FALSE,
  public = list(
    initialize = function(pool, pool_private, sees, func, elements, chunksize, ordered) {
      private$pool <- pool
      private$ordered <- ordered
      refuse_if_shut(pool_private)
      options <- pool_private$settings$options
      private$job <- pool_job(pool_private, func, elements, chunksize, list(), "values", options, TRUE, sees)
    }
  ),
  private = list(
    job = NULL, given = 0L,
    more = function() private$given < private$job$count,
    progress = function() sprintf("%d of %d given", private$given, private$job$count),
    take = function(timeout) {
      job <- private$job
      got <- pool_next(job$ptr, job$id, private$ordered, private$given, timeout)
      if (is.null(got)) {
        return(NULL)
      }
      private$given <- private$given + 1L
      if (!private$more()) pool_forget(job$ptr, job$id)
      list(value = got[[1L]], failure = got[[2L]])
    },
    finalize = function() if (!is.null(private$job) && private$more()) pool_abandon(private$job$ptr, private$job$id)
  )
)

LazyIterator <- R6::R6Class("LazyIterator",
  inherit = PoolIterator, cloneable = FALSE,
  public = list(
    initialize = function(pool, pool_private, sees, func, source, chunksize, ordered) {
      private$pool <- pool
      private$ordered <- ordered
      private$feed <- new_feed(pool_private, sees, func, source, chunksize)
      private$window <- 2L * pool_private$settings$processes
    }
  ),
  private = list(
    feed = NULL, window = 2L, given = 0L,
    progress = function() {
      sprintf("%d given, %d pulled%s", private$given, private$feed$pulled, if (private$feed$ended) " until the end of the source" else "")
    },
    ready = list(), # elements that have arrived and were not returned yet
    more = function() {
      if (length(private$ready)) {
        return(TRUE)
      }
      feed_refill(private$feed, private$window)
      length(private$feed$jobs) > 0L || !is.null(private$feed$failure)
    },
    take = function(timeout) {
      feed <- private$feed
      if (!length(private$ready)) {
        feed_refill(feed, private$window)
        if (!length(feed$jobs)) { # all elements before it were returned: the source's error, once
          failure <- feed$failure
          feed$failure <- NULL
          return(list(failure = failure))
        }
        items <- lapply(feed$jobs, function(job) list(job$ptr, job$id))
        which <- if (private$ordered) 1L else seq_along(items)
        done <- wait_any(items[which], rep("result", length(which)), timeout)
        if (!any(done)) {
          return(NULL)
        }
        suspendInterrupts(private$ready <- feed_take(feed, which[done][1L]))
      }
      first <- private$ready[[1L]]
      private$ready <- private$ready[-1L]
      private$given <- private$given + 1L
      first
    },
    finalize = function() if (!is.null(private$feed)) feed_drop(private$feed)
  )
)

# --- what a lazy iterator and its pool share: the source, and the jobs that are made of it ---

# The pool knows its feeds until their sources end: they submit jobs after $close(), too, and $join() pulls the rest.
new_feed <- function(pool_private, sees, func, source, chunksize) {
  refuse_if_shut(pool_private)
  feed <- list2env(list(
    pool_private = pool_private, sees = sees, func = func, source = source, chunksize = chunksize, pulled = 0L,
    ended = FALSE, failure = NULL, # `failure`: an error of the source, which ends it
    jobs = list(), # running, oldest first
    elements = list() # pulled and not submitted yet
  ), parent = emptyenv())
  pool_private$feeds <- c(pool_private$feeds, list(feed))
  feed
}

feed_refill <- function(feed, window) {
  while (!feed$ended && length(feed$jobs) < window) {
    while (!feed$ended && length(feed$elements) < feed$chunksize) {
      pulled <- tryCatch(feed$source(), error = function(e) {
        feed$failure <- e
        NULL
      })
      if (is.null(pulled)) feed$ended <- TRUE else feed$elements <- c(feed$elements, pulled)
    }
    if (length(feed$elements)) suspendInterrupts(feed_submit(feed))
  }
  if (feed$ended) feed_leave(feed)
}

feed_submit <- function(feed) {
  count <- length(feed$elements)
  options <- feed$pool_private$settings$options
  job <- pool_job(feed$pool_private, feed$func, feed$elements, count, list(), "values", options, FALSE, feed$sees, feed$pulled)
  feed$pulled <- feed$pulled + count
  feed$elements <- list()
  feed$jobs <- c(feed$jobs, list(job))
}

feed_take <- function(feed, at) {
  job <- feed$jobs[[at]]
  taken <- pool_take(job$ptr, job$id)
  feed$jobs <- feed$jobs[-at]
  lapply(seq_len(job$count), function(i) list(value = taken$values[[i]], failure = taken$failures[[i]]))
}

# Its pool need not wait for it any more; a closed pool that waits for no other feed has had its last job.
feed_leave <- function(feed) {
  pool_private <- feed$pool_private
  mine <- vapply(pool_private$feeds, identical, TRUE, feed)
  if (!any(mine)) {
    return(invisible())
  }
  pool_private$feeds <- pool_private$feeds[!mine]
  if (pool_private$shut && !length(pool_private$feeds)) pool_close(pool_private$ptr)
}

# No more of its elements will be requested. Called by R's collector.
feed_drop <- function(feed) {
  for (job in feed$jobs) pool_abandon(job$ptr, job$id)
  feed$ended <- TRUE
  feed$pool_private$feeds <- Filter(function(other) !identical(other, feed), feed$pool_private$feeds)
}

#' @export
as.list.PoolIterator <- function(x, ...) {
  values <- list()
  while (x$has_next()) values[length(values) + 1L] <- list(x$next_value())
  values
}

# For iterators::nextElem(), registered when that package is loaded
nextElem.PoolIterator <- function(obj, ...) next_element(obj)
