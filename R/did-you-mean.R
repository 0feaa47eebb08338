# What an unknown name was meant to be: a misspelled name, or the word of another package or of Python.

# Words of other packages, each with our words for it; the first one that the function has is suggested
other_words <- list(
  processes = c(
    "workers", "worker", "n_workers", "num_workers", "max_workers", "nworkers", "jobs", "n_jobs", "njobs", "cores",
    "ncores", "n_cores", "num_cores", "mc.cores", "cpus", "ncpus", "num_cpus", "nproc", "n_process", "num_processes",
    "nodes", "size", "threads", "n"
  ),
  args = c("kwargs", "kwds", "kwd", "kw", "MoreArgs", "arguments", "params", ".args", "dots", "fun.args"),
  task_timeout = c("timeout", "time_limit", "limit", "timelimit"),
  template = c("simplify", "SIMPLIFY", "FUN.VALUE", "fun.value", "ptype", ".ptype", "type"),
  func = c("f", "FUN", "fn", "fun", ".f", "function"),
  target = c("func", "f", "FUN", "fn", "fun", ".f", "function"),
  fun = c("func", "f", "FUN", "fn", ".f", "function"),
  iterable = c("X", "x", "xs", ".x", "data", "iter", "items", "elements", "values"),
  chunksize = c("chunk_size", "chunk.size", "chunk", "chunks", "batch_size", "grain"),
  retries = c("retry", "mc.retry", "max_retries", "attempts"),
  on_error = c("error", "onerror", "errors", ".errorhandling", "stop.on.error", "mc.stop.on.error"),
  progress = c(".progress", "mc.progress", "bar", "progressbar", "verbose"),
  seed = c("mc.seed", "future.seed", ".seed", "random_state"),
  maxtasksperchild = c("max_tasks_per_child", "maxtasks", "max_tasks"),
  context = c("method", "start_method", "mp_context", "type", "ctx"),
  initializer = c("init", "setup", "initialiser"),
  initargs = c("init_args", "initargs_list"),
  callback = c("on_done", "then"),
  maxsize = c("size", "max_size", "capacity", "limit", "n"),
  timeout = c("time", "seconds", "wait"),
  # methods
  apply_async = c("submit", "async", "future", "spawn", "call_async"),
  map = c("lapply", "sapply", "vapply", "mapply", "map_list", "parLapply", "clusterMap"),
  apply = c("run", "call", "eval", "exec", "do.call", "evaluate"),
  imap_unordered = c("imap_async"),
  terminate = c("stop", "shutdown", "kill", "end", "quit", "stopCluster", "interrupt"),
  close = c("done", "finish"),
  get = c("result", "value", "collect", "fetch", "await"),
  ready = c("done", "finished", "is_done", "is_ready", "resolved", "completed"),
  next_value = c("next", "nextElem", "next_elem", "get"),
  start = c("run", "begin", "launch"),
  exitcode = c("exit_code", "status", "returncode"),
  is_alive = c("alive", "running", "is_running"),
  value = c("get", "result", "get_result", "output"),
  join = c("wait", "waitfor", "await"),
  submit = c("apply", "apply_async", "call", "run", "async"),
  shutdown = c("close", "terminate", "stop", "join", "kill", "end", "quit"),
  result = c("get", "value", "collect", "fetch", "await"),
  exception = c("error", "get_error"),
  add_done_callback = c("callback", "then", "on_done", "add_callback"),
  recv = c("receive", "read"),
  recv_bytes = c("receive_bytes", "read_bytes"),
  buf = c("buffer", "data", "bytes"),
  as_vector = c("to_vector", "as.vector", "array", "vector")
)

other_words$mc.cores <- other_words$threads <- other_words$processes
other_words$mc.retry <- c("retries", "retry")
other_words$mc.progress <- c("progress", ".progress")
other_words$mc.seed <- "seed"

# NULL if nothing is near enough
closest <- function(name, known) {
  name <- sub("^\\.+$", "", name)
  if (!nzchar(name) || !length(known)) {
    return(NULL)
  }
  for (ours in names(other_words)) if (ours %in% known && name %in% other_words[[ours]]) {
    return(ours)
  }
  distance <- drop(utils::adist(tolower(name), tolower(known)))
  near <- which.min(distance)
  if (distance[near] <= max(1L, nchar(name) %/% 3L) && distance[near] < nchar(name)) {
    return(known[near])
  }
  begins <- known[startsWith(known, name) & nchar(name) > 2L]
  if (length(begins)) begins[1L]
}

# "did you mean ...?", or, if nothing is near, `otherwise`
did_you_mean <- function(name, known, otherwise, quote = "`%s`") {
  meant <- closest(name, known)
  if (is.null(meant)) otherwise else sprintf("did you mean %s?", sprintf(quote, meant))
}

# For functions that have `...` only to explain what was wrong: `if (...length()) refuse_arguments("Pool", ...)`
refuse_arguments <- function(what, known, ...) {
  name <- first_name(...)
  known <- setdiff(known, "...")
  abort("ValueError", sprintf(
    "%s %s(): %s", unknown_argument(name), what,
    did_you_mean(name, known, paste("it takes", paste0("`", known, "`", collapse = ", ")))
  ))
}

first_name <- function(...) {
  names <- names(substitute(list(...)))[-1L]
  if (length(names)) names[1L] else ""
}

unknown_argument <- function(name) {
  if (nzchar(name)) sprintf("unknown argument `%s` of", name) else "too many arguments without names in"
}

# The mclapply() family passes its `...` to FUN. An argument that FUN does not accept, and that looks like one of ours,
# would fail in every element.
refuse_other_words <- function(what, known, FUN, ...) {
  names <- if (...length()) names(substitute(list(...)))[-1L]
  names <- names[nzchar(names)]
  if (!length(names) || is.null(args(FUN))) {
    return(invisible())
  }
  taken <- names(formals(args(FUN)))
  if ("..." %in% taken) {
    return(invisible())
  }
  for (name in names[!vapply(names, function(name) any(startsWith(taken, name)), TRUE)]) {
    meant <- closest(name, setdiff(known, "..."))
    if (!is.null(meant)) {
      abort("ValueError", sprintf(
        "unknown argument `%s` of %s(): did you mean `%s`? The function has no argument `%s`", name, what, meant, name
      ))
    }
  }
}

# --- methods and fields of handles ---

# What users see of an object; R6 keeps its own names and ours there, too
public_names <- function(x) {
  names <- ls(x, sorted = TRUE)
  setdiff(names, c("initialize", "finalize", "clone", "format", "print"))
}

# `$` of the classes below: a call of NULL would say "attempt to apply non-function". Locks, queues and connections
# do not have it: a method of `$` takes a third of the time of `lock$acquire()`.
#' @rawNamespace S3method("$", Pool, get_member)
#' @rawNamespace S3method("$", Process, get_member)
#' @rawNamespace S3method("$", AsyncResult, get_member)
#' @rawNamespace S3method("$", PoolIterator, get_member)
#' @rawNamespace S3method("$", ProcessPoolExecutor, get_member)
#' @rawNamespace S3method("$", multiprocessing_future, get_member)
#' @rawNamespace S3method("$", Listener, get_member)
#' @rawNamespace S3method("$", SocketConnection, get_member)
#' @rawNamespace S3method("$", SharedMemory, get_member)
#' @rawNamespace S3method("$", SharedMemoryBuffer, get_member)
#' @rawNamespace S3method("$", Dict, get_member)
#' @rawNamespace S3method("$", List, get_member)
#' @rawNamespace S3method("$", Set, get_member)
get_member <- function(x, name) {
  member <- .subset2(x, name)
  if (is.null(member) && has_our_members(x) && !exists(name, envir = x, inherits = FALSE)) no_such_member(x, name)
  member
}

# The same for lists of functions
#' @rawNamespace S3method("$", Manager, get_function)
#' @rawNamespace S3method("$", multiprocessing_context, get_function)
get_function <- function(x, name) {
  if (!name %in% names(x)) no_such_member(x, name)
  .subset2(x, name)
}

# Other packages have classes of these names, too (a pool of database connections, a process), with their own `$`.
has_our_members <- function(x) {
  if (!is.environment(x)) return(FALSE)
  inside <- .subset2(x, ".__enclos_env__")
  if (is.environment(inside)) identical(topenv(inside), topenv()) else inherits(x, c("multiprocessing_future", "multiprocessing_result", "PoolIterator", "SharedMemoryBuffer"))
}

no_such_member <- function(x, name) {
  known <- if (is.environment(x)) public_names(x) else names(x)
  is_active <- function(k) is.environment(x) && bindingIsActive(k, x)
  functions <- known[vapply(known, function(k) !is_active(k) && is.function(.subset2(x, k)), TRUE)]
  keys <- if (inherits(x, "Dict")) sprintf("a key goes into brackets, [[\"%s\"]]; ", name) else ""
  shown <- ifelse(known %in% functions, sprintf("$%s()", known), sprintf("$%s", known))
  abort("ValueError", sprintf(
    "%s has no method or field `%s`: %s%s", users_class(x), name, keys,
    did_you_mean(name, known, paste("it has", paste0(shown, collapse = ", ")), "`$%s`")
  ))
}

#' @export
`$<-.Dict` <- function(x, name, value) {
  if (!has_our_members(x)) {
    return(NextMethod())
  }
  abort("ValueError", sprintf("a value is put by brackets: write [[\"%s\"]] in place of $%s", name, name))
}

# The class that the help pages name
users_class <- function(x) {
  sub("^multiprocessing_", "", setdiff(class(x), c("EagerIterator", "LazyIterator", "multiprocessing_future"))[1L])
}

# Completion by Tab
#' @importFrom utils .DollarNames
#' @rawNamespace S3method(.DollarNames, Process, complete_member)
#' @rawNamespace S3method(.DollarNames, AsyncResult, complete_member)
#' @rawNamespace S3method(.DollarNames, PoolIterator, complete_member)
#' @rawNamespace S3method(.DollarNames, ProcessPoolExecutor, complete_member)
#' @rawNamespace S3method(.DollarNames, multiprocessing_future, complete_member)
#' @rawNamespace S3method(.DollarNames, Listener, complete_member)
#' @rawNamespace S3method(.DollarNames, SocketConnection, complete_member)
#' @rawNamespace S3method(.DollarNames, SharedMemory, complete_member)
#' @rawNamespace S3method(.DollarNames, SharedMemoryBuffer, complete_member)
#' @rawNamespace S3method(.DollarNames, multiprocessing_handle, complete_member)
complete_member <- function(x, pattern = "") grep(pattern, if (has_our_members(x)) public_names(x) else names(x), value = TRUE)
