# $map() of an executor. Each chunk of calls is a job, and each job belongs to one future: so chunks can be cancelled one by one.

executor_map <- function(private, fn, iterables, timeout, chunksize, buffersize, frame) {
  check_open(private)
  check_function(fn, "fn")
  check_count(chunksize, "chunksize", 1)
  if (!is.null(buffersize)) check_count(buffersize, "buffersize", 1)
  if (!length(iterables)) missing_argument("...")
  until <- deadline_of(timeout)
  submit <- chunk_submitter(private, fn, executor_sees(private, frame))
  if (!is.null(buffersize)) {
    return(map_iterator(list(), until, timeout, new_buffer(iterables, chunksize, buffersize, submit)))
  }
  columns <- lapply(iterables, function(x) as.list(as_elements(x)))
  count <- min(lengths(columns))
  calls <- lapply(seq_len(count), function(i) lapply(columns, `[[`, i))
  chunksize <- as.integer(min(chunksize, max(count, 1L)))
  chunks <- split(calls, (seq_len(count) - 1L) %/% chunksize)
  futures <- lapply(seq_along(chunks), function(k) submit(chunks[[k]], (k - 1L) * chunksize))
  map_iterator(futures, until, timeout)
}

# A function that submits a chunk of calls and returns its future; `before`: how many calls went with earlier chunks
chunk_submitter <- function(private, fn, sees) {
  force(fn) # not the frame of executor_map(): that holds all that was mapped
  force(sees)
  pool_private <- private$below
  options <- pool_private$settings$options
  function(chunk, before) {
    check_open(private)
    suspendInterrupts({
      job <- pool_job(pool_private, fn, chunk, length(chunk), list(), "columns", options, FALSE, sees, before)
      job$whole <- TRUE
      pool_outcome(future_kind, private$shared, pool_private, job$id, job)
    })
  }
}

# In a frame of its own: that of executor_map() holds all that was mapped. `buffer`: what submits more, see new_buffer().
# Elements are taken out of `futures` and `values` in place: lists without their first element would be copies of all others.
map_iterator <- function(futures, until, timeout, buffer = NULL) {
  force(until)
  force(timeout)
  waiting <- length(futures)
  size <- if (is.null(buffer)) waiting else buffer$size
  oldest <- 1 # where it is in `futures`: a ring of at most `size`
  values <- failures <- list() # of the chunk that has arrived; those up to `place` were given
  place <- 0L
  given <- 0L
  end <- function() {
    for (f in futures) if (!is.null(f)) f$cancel()
    futures <<- values <<- failures <<- list()
    waiting <<- place <<- 0L
    buffer <<- NULL
  }
  fill <- function() {
    full <- waiting >= size
    while (!full) suspendInterrupts({
      future <- if (allowInterrupts(buffer$pull())) buffer$submit()
      full <- is.null(future)
      if (!full) {
        futures[[(oldest - 1 + waiting) %% size + 1]] <<- future
        waiting <<- waiting + 1L
        full <- waiting >= size
      }
    })
  }
  accept <- function() {
    arrived <- tryCatch(futures[[oldest]]$result(time_left(until)), multiprocessing_error = function(e) {
      end()
      if (inherits(e, "TimeoutError")) e$message <- sprintf("element %d of $map() is not available%s", given + 1L, waited(timeout))
      e["call"] <- list(NULL)
      raise(e)
    })
    suspendInterrupts({
      futures[oldest] <<- list(NULL)
      oldest <<- oldest %% size + 1
      waiting <<- waiting - 1L
      values <<- as.list(arrived$values)
      failures <<- arrived$failures
      place <<- 0L
    })
  }
  if (!is.null(buffer)) fill()
  new_iterator(
    more = function() {
      if (place == length(values) && waiting == 0L && !is.null(buffer)) fill()
      place < length(values) || waiting > 0L || !is.null(buffer$failure)
    },
    take = function() {
      if (place == length(values)) {
        if (!is.null(buffer)) fill()
        if (waiting == 0L) { # all values before it were given
          failure <- buffer$failure
          end()
          raise(failure)
        }
        accept()
      }
      place <<- place + 1L
      given <<- given + 1L
      value <- values[place]
      failure <- failures[[place]]
      values[place] <<- list(NULL)
      if (!is.null(failure)) {
        end()
        raise(failure)
      }
      value[[1L]]
    },
    end = end
  )
}

# Where the chunks of a `$map()` with a `buffersize` come from: an environment with `size`, and
# - `pull()`: takes the calls of the next chunk from the sources; FALSE if there are no more;
# - `submit()`: their future. NULL if they cannot be submitted;
# - `failure`: the error of a source, or of a chunk that cannot be submitted. It ends the calls.
# What was pulled stays in `row` and `calls` until it is submitted: a Ctrl-C while a source computes loses nothing.
new_buffer <- function(iterables, chunksize, size, submit) {
  sources <- lapply(unname(iterables), element_source)
  labels <- names(iterables)
  rm(iterables)
  row <- list() # the arguments of one call that were pulled
  calls <- list()
  before <- 0
  ended <- FALSE
  pull_row <- function() {
    while (length(row) < length(sources)) {
      element <- sources[[length(row) + 1L]]()
      if (is.null(element)) {
        return(FALSE)
      }
      row <<- c(row, element)
    }
    suspendInterrupts({
      names(row) <<- labels
      calls <<- c(calls, list(row))
      row <<- list()
    })
    TRUE
  }
  self <- list2env(list(size = size, failure = NULL), parent = emptyenv())
  fail <- function(e) {
    self$failure <- e
    ended <<- TRUE
    FALSE
  }
  self$pull <- function() {
    while (!ended && length(calls) < chunksize) {
      if (!tryCatch(pull_row(), error = fail)) ended <<- TRUE
    }
    length(calls) > 0L
  }
  self$submit <- function() {
    tryCatch(
      {
        future <- submit(calls, before)
        before <<- before + length(calls)
        future
      },
      error = function(e) {
        fail(e)
        NULL
      },
      finally = calls <<- list()
    )
  }
  self
}

# A function that returns the next element in a list, or NULL at the end
element_source <- function(x) {
  pull <- lazy_source(x)
  if (!is.null(pull)) {
    return(pull)
  }
  elements <- unname(as.list(as_elements(x)))
  rm(x)
  i <- 0
  function() {
    if (i < length(elements)) {
      i <<- i + 1
      elements[i]
    }
  }
}
