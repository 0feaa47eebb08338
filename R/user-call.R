# The call that an error of ours names: what the user wrote, never a call of our own functions.
#
# A frame is an *entry* if its function is exported, an S3 method, or a method of a handle. The innermost entry is found by
# position, because what compiled code calls (abort() above all) has no caller in R. From there we follow the callers: the
# outermost entry before the user's code is the user's call. A function that the user gave us (a source of imap(), a
# callback) is the user's code, so a call in it is found first.

user_call <- function() {
  parents <- sys.parents()
  at <- 0L
  own <- seq_len(sys.nframe() - 1L)
  for (k in rev(own[own > entries$inherited])) {
    if (is_entry(sys.function(k))) {
      at <- k
      break
    }
  }
  # where a caller has no frame (compiled code evaluates in an environment), R gives the number of any frame
  below <- at
  caller <- if (at) parents[at] else 0L
  while (caller > entries$inherited && caller < below && is_internal(sys.function(caller))) {
    if (is_entry(sys.function(caller))) at <- caller
    below <- caller
    caller <- parents[caller]
  }
  if (at) as_written(sys.call(at), sys.function(at))
}

is_entry <- function(fun) {
  home <- environment(fun)
  if (identical(home, topenv())) {
    # a context's functions differ from the exported ones in their formals alone
    return(any(vapply(entry_bodies(), identical, TRUE, body(fun))))
  }
  is_enclosure(home)
}

# The environment of the methods of one of our objects
is_enclosure <- function(env) {
  !is.null(env) && identical(parent.env(env), topenv()) &&
    inherits(env$self, c(
      "R6", "multiprocessing_handle", "multiprocessing_future", "multiprocessing_result", "SharedMemoryBuffer", "Manager"
    ))
}

# Ours, or of the machinery between two of our frames
is_internal <- function(fun) {
  home <- environment(fun)
  is.null(home) || inherits(home, "R6ClassGenerator") || {
    top <- topenv(home)
    identical(top, topenv()) || identical(top, baseenv()) || identical(top, .BaseNamespaceEnv)
  }
}

entry_bodies <- function() {
  if (is.null(entries$bodies)) {
    ns <- topenv()
    names <- c(names(ns$.__NAMESPACE__.$exports), ns$.__NAMESPACE__.$S3methods[, 3L])
    functions <- Filter(is.function, mget(unique(as.character(names)), ns, ifnotfound = list(NULL)))
    entries$bodies <- unname(lapply(functions, body))
  }
  entries$bodies
}

entries <- new.env(parent = emptyenv())
entries$bodies <- NULL
entries$inherited <- 0L

# A forked process begins with the frames of the call that forked it, the first `n`: no call of its own is among them
forget_frames <- function(n) entries$inherited <- n

# `with.Lock(lock, x)` was written `with(lock, x)`; a call by do.call(), and that of an active binding, has the function in
# place of its name.
as_written <- function(call, fun) {
  head <- call[[1L]]
  if (is.name(head)) {
    methods <- topenv()$.__NAMESPACE__.$S3methods
    at <- match(as.character(head), paste(methods[, 1L], methods[, 2L], sep = "."))
    if (!is.na(at)) call[[1L]] <- as.name(methods[at, 1L])
    return(call)
  }
  if (!is.function(head)) {
    return(call)
  }
  home <- environment(fun)
  if (!is_enclosure(home)) {
    return(NULL)
  }
  self <- home$self
  if (!is.environment(self)) {
    return(NULL)
  }
  same <- function(f) is.function(f) && identical(body(f), body(fun))
  fields <- c(home$.__active__, mget(Filter(function(name) !bindingIsActive(name, self), ls(self)), self))
  name <- names(fields)[vapply(fields, same, TRUE)]
  if (!length(name)) {
    return(NULL)
  }
  call[[1L]] <- call("$", as.name(users_class(self)), as.name(name[1L]))
  if (name[1L] %in% names(home$.__active__)) call[[1L]] else call
}
