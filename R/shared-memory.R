#' Shared memory with a name, also for Python
#'
#' `SharedMemory()` creates bytes that any program of the same user can open by their name, or opens those that another program has
#' created: the segments of Python's `multiprocessing.shared_memory`. Within a session [Array()], [share()] and [Manager()] need no
#' names, and nothing has to be unlinked.
#'
#' `$buf` reads and writes the bytes in place, `shm$buf[1:3]`, `shm$buf[i] <- as.raw(1)`, and `shm$buf$cast("double")` does so by numbers
#' of another type, like Python's `memoryview(shm.buf).cast("d")`: `x <- shm$buf$cast("double"); x[3] <- 0.5`. What is read is an
#' ordinary vector, a copy. Other programs see at once what is written. No lock guards it: agree with the other program when
#' which of you writes.
#'
#' @param name the name, without slashes. `NULL`: a new one, `psm_` and eight hexadecimal digits.
#' @param create `TRUE`: new memory, all zero; `FALSE`: opens existing memory.
#' @param size how many bytes, for `create = TRUE`; otherwise what it must have at least.
#' @section Methods:
#' - `$as_vector(type = "raw", dim = NULL)`: all of it as a vector, or a matrix or an array, of a type that [Value()] knows.
#' - `$close()`: this process does not use it any more.
#' - `$unlink()`: removes the name. Programs that have the memory open keep using it; it is freed when the last one closes it.
#' - `$buf$cast(type)`, `length(buf)`, `buf[i]`, `buf[i] <- v`, `buf[[i]]`; positive, negative and logical indices.
#'
#' @section Fields: `$name`, `$size` (in bytes), `$buf`.
#' @section Other processes: A handle may be captured by, given to, or sent to any process of the session; what arrives opens the memory by
#'   its name when it is first used.
#' @section When it ends: The memory outlives its programs until one of them calls `$unlink()`. A session that ends by itself unlinks
#'   what its main process has created. What a child created, or a session that was killed, stays in `/dev/shm`.
#' @section Python's resource tracker: Before Python 3.13 a Python program that opens memory counts as its owner, too: it unlinks it when it
#'   ends, with a warning about leaked objects. To prevent that call
#'   `resource_tracker.unregister(shm._name, "shared_memory")` there, or, from Python 3.13 on, `SharedMemory(name, track=False)`.
#' @section Security: New memory has mode 0600 and never replaces what has the name already. Memory of another user is not opened.
#' @section Errors: `FileExistsError` (the name exists already), `FileNotFoundError` (no such name), `PermissionError` (another user's),
#'   `OSError` (no room; or another program has made it shorter), `ValueError` (bad arguments, memory without bytes or with fewer than
#'   `size`, closed memory, a number that the type does not hold), `IndexError` (no such element).
#' @return A handle (an R6 object) of class `SharedMemory`.
#' @section Python: `multiprocessing.shared_memory.SharedMemory(name, create, size)`. Indices begin at 1.
#' @seealso [Array()], [share()]; [Listener()] for messages between programs.
#' @concept inter-process communication
#' @concept shared memory
#' @concept interoperate with Python
#' @examples
#' shm <- SharedMemory(create = TRUE, size = 32)
#' x <- shm$buf$cast("double")
#' x[1:2] <- c(1.5, -2)
#' shm$as_vector("double", dim = c(2, 2))
#' # in Python: SharedMemory(name).buf
#' same <- SharedMemory(shm$name)
#' same$buf[1:8]
#' same$close()
#' shm$close()
#' shm$unlink()
#' @export
SharedMemory <- function(name = NULL, create = FALSE, size = 0) {
  check_flag(create, "create")
  check_count(size, "size", if (create) 1 else 0)
  if (size > 2^52) abort("ValueError", "`size` is more than any memory holds")
  if (!is.null(name)) check_memory_name(name)
  if (is.null(name) && !create) abort("ValueError", "`name` is missing: it may be NULL only if `create = TRUE`")
  made <- if (create) create_memory(name, size) else list(name = name, ptr = named_memory_open(name, size))
  SharedMemoryHandle$new(made$name, made$ptr)
}

check_memory_name <- function(name) {
  if (!is.character(name) || length(name) != 1L || is.na(name) || !nzchar(name) || name %in% c(".", "..") ||
    grepl("/", name, fixed = TRUE) || nchar(name, "bytes") > 254L) {
    abort("ValueError", sprintf("`name` must be one string without slashes, of at most 254 bytes, not %s", describe_value(name)))
  }
}

create_memory <- function(name, size) {
  repeat {
    chosen <- if (is.null(name)) paste0("psm_", paste(format(random_raw(4L)), collapse = "")) else name
    ptr <- tryCatch(suspendInterrupts({
      ptr <- named_memory_create(chosen, size)
      note_created_memory(chosen)
      ptr
    }), FileExistsError = function(e) if (is.null(name)) NULL else raise(e))
    if (!is.null(ptr)) {
      return(list(name = chosen, ptr = ptr))
    }
  }
}

# The names that the main process removes when it exits normally
created_memory <- new.env(parent = emptyenv())
created_memory$names <- character()
created_memory$pid <- NULL

note_created_memory <- function(name) {
  if (!is.null(parent_process())) {
    return(invisible())
  }
  if (!identical(created_memory$pid, Sys.getpid())) {
    created_memory$pid <- Sys.getpid()
    created_memory$names <- character()
    reg.finalizer(created_memory, unlink_created_memory, onexit = TRUE)
  }
  created_memory$names <- c(created_memory$names, name)
}

unlink_created_memory <- function(created) {
  if (!identical(created$pid, Sys.getpid())) {
    return(invisible())
  }
  for (name in created$names) try(named_memory_unlink(name), silent = TRUE)
  created$names <- character()
}

SharedMemoryHandle <- R6::R6Class("SharedMemory",
  cloneable = FALSE,
  public = list(
    initialize = function(name, ptr) {
      private$of <- name
      private$ptr <- ptr
    },
    as_vector = function(type = "raw", dim = NULL) memory_as_vector(private, type, dim),
    close = function() memory_close(private),
    unlink = function() memory_unlink(private),
    format = function(...) memory_format(private),
    print = function(...) print_formatted(self)
  ),
  private = list(of = NULL, ptr = NULL, closed = FALSE, view = NULL),
  active = list(
    name = function() private$of,
    size = function() named_memory_size(memory_pointer(private)),
    buf = function(value) {
      # `shm$buf[i] <- v` assigns what it has changed in place
      if (missing(value)) memory_buffer(private) else memory_refuse_other(private, value)
    }
  )
)

# A handle that arrived in a message has a nil pointer.
memory_pointer <- function(private) {
  if (private$closed) abort("ValueError", sprintf("the shared memory \"%s\" is closed", private$of))
  if (!named_memory_is_open(private$ptr)) private$ptr <- named_memory_open(private$of, 0)
  private$ptr
}

memory_close <- function(private) {
  private$closed <- TRUE
  named_memory_close(private$ptr)
  invisible(NULL)
}

memory_unlink <- function(private) {
  named_memory_unlink(private$of)
  created_memory$names <- setdiff(created_memory$names, private$of)
  invisible(NULL)
}

memory_as_vector <- function(private, type, dim) {
  check_typecode(type)
  n <- named_memory_length(memory_pointer(private), type)
  if (!is.null(dim)) {
    if (!is.numeric(dim) || !length(dim) || anyNA(dim) || any(dim < 0) || any(dim != trunc(dim)) || prod(dim) > n) {
      abort("ValueError", sprintf("`dim` must be whole numbers whose product is at most the number of elements, %s", format(n)))
    }
    n <- prod(dim)
  }
  values <- memory_guard(private, named_memory_read(memory_pointer(private), type, if (!is.null(dim)) seq_len(n)))
  if (!is.null(dim)) dim(values) <- dim
  values
}

# Compiled code does not know the name.
memory_guard <- function(private, expr) {
  tryCatch(expr, OSError = function(e) {
    e$message <- sub("\"\"", sprintf("\"%s\"", private$of), e$message, fixed = TRUE)
    raise(e)
  })
}

memory_format <- function(private) {
  if (private$closed) {
    return(sprintf("<SharedMemory \"%s\" (closed)>", private$of))
  }
  size <- tryCatch(counted(named_memory_size(memory_pointer(private)), "byte"), multiprocessing_error = function(e) "cannot be opened")
  sprintf("<SharedMemory \"%s\", %s>", private$of, size)
}

# --- buffers: its bytes, or numbers that they are ---

memory_buffer <- function(private) {
  memory_pointer(private)
  if (is.null(private$view)) private$view <- new_memory_buffer(private, "raw")
  private$view
}

memory_refuse_other <- function(private, value) {
  if (!identical(value, private$view)) abort("ValueError", "`$buf` cannot be replaced: write into it, shm$buf[i] <- value")
}

new_memory_buffer <- function(private, type) {
  self <- new.env(parent = emptyenv())
  self$cast <- function(type) {
    check_typecode(type)
    named_memory_length(memory_pointer(private), type)
    new_memory_buffer(private, type)
  }
  self$.of <- private
  self$.type <- type
  lockEnvironment(self, bindings = TRUE)
  class(self) <- "SharedMemoryBuffer"
  self
}

memory_read <- function(x, i) {
  named <- .subset2(x, ".of")
  memory_guard(named, named_memory_read(memory_pointer(named), .subset2(x, ".type"), i))
}

memory_write <- function(x, i, value) {
  named <- .subset2(x, ".of")
  memory_guard(named, named_memory_write(memory_pointer(named), .subset2(x, ".type"), i, value))
  x
}

#' @export
length.SharedMemoryBuffer <- function(x) named_memory_length(memory_pointer(.subset2(x, ".of")), .subset2(x, ".type"))

#' @export
`[.SharedMemoryBuffer` <- function(x, i) {
  memory_read(x, if (!missing(i)) positions_within(i, length(x)))
}

#' @export
`[<-.SharedMemoryBuffer` <- function(x, i, value) {
  memory_write(x, if (!missing(i)) positions_within(i, length(x)), value)
}

#' @export
`[[.SharedMemoryBuffer` <- function(x, i) memory_read(x, one_position(i, length(x)))

#' @export
`[[<-.SharedMemoryBuffer` <- function(x, i, value) {
  if (length(value) != 1L) abort("IndexError", "`[[<-` replaces one element by one number")
  memory_write(x, one_position(i, length(x)), value)
}

one_position <- function(i, n) {
  at <- positions_within(i, n)
  if (length(at) != 1L) abort("IndexError", "`[[` needs the index of one element")
  at
}

#' @export
as.vector.SharedMemoryBuffer <- function(x, mode = "any") as.vector(x[], mode)

#' @export
format.SharedMemoryBuffer <- function(x, ...) {
  private <- .subset2(x, ".of")
  if (private$closed) {
    return(sprintf("<buffer of \"%s\" (closed)>", private$of))
  }
  n <- length(x)
  first <- paste(format(x[seq_len(min(n, 6))], trim = TRUE), collapse = " ")
  sprintf("<buffer of \"%s\", %s [%s]: %s%s>", private$of, .subset2(x, ".type"), format(n), first, if (n > 6) " ..." else "")
}

#' @export
print.SharedMemoryBuffer <- function(x, ...) {
  cat(format(x), "\n", sep = "")
  invisible(x)
}

#' @param data shared memory.
#' @param expr an expression, evaluated in the frame of the caller; then `data` is closed.
#' @param ... not used.
#' @rdname SharedMemory
#' @export
with.SharedMemory <- function(data, expr, ...) {
  on.exit(data$close())
  if (missing(expr)) missing_argument("expr")
  expr
}
