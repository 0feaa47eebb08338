#' Numbers in shared memory that every process may change
#'
#' `Value()` makes one number, `Array()` a vector or an array of numbers, in shared memory. What a process writes into it every
#' other process sees, at once. (A vector that is sent or [share()]d is different: what a process does to it is its own.)
#'
#' `a[i] <- v` writes in place. `a[i]`, `a[i, j]` and `a[[i]]` read a copy, with R's rules for indices: positive, negative, logical,
#' ranges, matrices of indices. `a[]` copies nothing, however large the array is: the vector that it gives is a *window*, the
#' shared memory itself. It shows what others write later. R copies it before it changes anything in it, and then it is an ordinary
#' vector; `as.vector(a)` is an ordinary vector at once, all of whose elements are of the same moment.
#'
#' @param typecode the type of the numbers: `"double"`, `"integer"`, `"logical"`, `"raw"`, `"complex"`, or a code of Python's: `"d"`,
#'   `"f"` (float), `"b"`, `"B"`, `"h"`, `"H"`, `"i"`, `"I"`, `"l"`, `"L"`, `"q"`, `"Q"` (whole numbers of 8, 16, 32 and 64 bits, signed and
#'   unsigned), `"c"` (bytes). Whole numbers that R's integers do not hold are doubles in R, exact up to 2^53.
#' @param value the number at the beginning.
#' @param size_or_initializer one number: how many elements, all zero. A longer vector, or a list: the elements at the beginning.
#' @param lock `TRUE`: with an [RLock()] of its own; `FALSE`: without; or a [Lock()] that others use, too. Each read or write of it
#'   (but not of a window) acquires the lock, unless this process holds it.
#' @param dim the dimensions, if it is to be a matrix or an array; those of the initializer by default.
#' @section Methods:
#' - `$value`: the number of a `Value()`, to be read and assigned; `$get()` and `$set(value)` do the same.
#' - `$get_lock()`: the lock; `$acquire(block = TRUE, timeout = NULL)` and `$release()`: those of the lock.
#'
#' `with(v, v$value <- v$value + 1)` evaluates with the lock held: no other process can change the number meanwhile.
#' - `length(a)`, `dim(a)`.
#'
#' @section Deaths: A process that is killed leaves what it has written. If it held the lock, the next process that acquires it is
#'   told by a warning of class `OwnerDiedWarning`, see [Lock()]. A read or write that meets it is done, and has released the lock.
#' @section Errors: `ValueError` (bad arguments, a number that the type does not hold: nothing is written then), `IndexError` (no such
#'   element), `HeapFullError` (no memory).
#' @return A handle of class `Value` or `Array`.
#' @section Python: `multiprocessing.Value(typecode, value, lock=)`, `multiprocessing.Array(typecode, size_or_initializer, lock=)`, also
#'   `RawValue()` and `RawArray()`, which are those with `lock = FALSE`. Indices begin at 1. There are no types of ctypes.
#' @seealso [share()] for data that are only read, [Lock()], [Queue()].
#' @concept shared counter
#' @concept atomic
#' @examples
#' counter <- Value("integer", 0, lock = TRUE)
#' a <- Array("double", 4)
#' ps <- lapply(1:2, function(i) {
#'   p <- Process(function() {
#'     a[2 * i] <- i
#'     with(counter, counter$value <- counter$value + 1L)
#'   })
#'   p$start()
#' })
#' for (p in ps) p$join()
#' counter$value
#' a[]
#' if (a$acquire(timeout = 1)) {
#'   a[1] <- sum(a[3:4])
#'   a$release()
#' }
#' counter$set(counter$get() + 1L)
#' with(counter$get_lock(), counter$value)
#' m <- Array("integer", 1:6, dim = c(2, 3))
#' m[1, ]
#' bytes <- Array("B", c(0, 255), lock = FALSE) # Python's code for whole numbers from 0 to 255
#' bytes[2]
#' @export
Value <- function(typecode, value = 0, lock = TRUE) {
  check_typecode(typecode)
  if (length(value) != 1L || is.list(value)) {
    abort("ValueError", sprintf("`value` must be one number, not %s", describe_value(value)))
  }
  ValueHandle$new(cells_create(typecode, 1, value, NULL, cells_lock_of(lock), TRUE))
}

#' @rdname Value
#' @export
Array <- function(typecode, size_or_initializer, lock = TRUE, dim = NULL) {
  check_typecode(typecode)
  if (missing(size_or_initializer) && !is.null(dim)) size_or_initializer <- prod(dim)
  if (missing(size_or_initializer)) missing_argument("size_or_initializer")
  initial <- size_or_initializer
  if (is.list(initial)) initial <- unlist(initial, use.names = FALSE)
  sized <- is.numeric(size_or_initializer) && length(size_or_initializer) == 1L && is.null(base::dim(size_or_initializer))
  if (sized) check_count(initial, "size_or_initializer")
  if (sized && initial > 2^52) abort("ValueError", "`size_or_initializer` is more than any memory holds")
  length <- if (sized) initial else length(initial)
  if (!sized && is.null(dim)) dim <- base::dim(size_or_initializer)
  check_dim(dim, length)
  if (sized) initial <- NULL
  ArrayHandle$new(cells_create(typecode, length, initial, dim, cells_lock_of(lock), FALSE))
}

cells_methods <- function(self, private, ptr) list(
  get_lock = function() cells_get_lock(ptr),
  acquire = function(block = TRUE, timeout = NULL) .Call(`_multiprocessing_lock_acquire`, cells_lock(ptr), block, timeout),
  release = function() invisible(.Call(`_multiprocessing_lock_release`, cells_lock(ptr)))
)

array_methods <- function(self, private, ptr) c(cells_methods(self, private, ptr), list(
  format = function(...) unless_closed(self, ptr, {
    n <- cells_length(ptr)
    dim <- cells_dim(ptr)
    shape <- if (is.null(dim)) format(n) else paste(dim, collapse = " x ")
    first <- format(cells_get(ptr, seq_len(min(n, 6))), trim = TRUE)
    more <- if (n > 6) " ..." else ""
    first <- paste(first, collapse = " ")
    sprintf("<Array #%s, %s [%s]: %s%s>", handle_id(ptr), cells_type(ptr), shape, first, more)
  })
))

ArrayHandle <- handle_class("Array", array_methods)

value_methods <- function(self, private, ptr) c(cells_methods(self, private, ptr), list(
  get = function() .Call(`_multiprocessing_cells_get`, ptr, 1L),
  set = function(value = required("value")) invisible(.Call(`_multiprocessing_cells_set`, ptr, 1L, value)),
  format = function(...) unless_closed(self, ptr, {
    sprintf("<Value #%s, %s: %s>", handle_id(ptr), cells_type(ptr), format(cells_get(ptr, 1L)))
  })
))

value_fields <- function(self, private, ptr) list(
  value = function(value) {
    if (missing(value)) {
      return(.Call(`_multiprocessing_cells_get`, ptr, 1L))
    }
    .Call(`_multiprocessing_cells_set`, ptr, 1L, value)
  }
)

ValueHandle <- handle_class("Value", value_methods, value_fields)

check_typecode <- function(typecode) {
  if (missing(typecode)) missing_argument("typecode")
  if (!is.character(typecode) || length(typecode) != 1L || is.na(typecode)) {
    abort("ValueError", sprintf("`typecode` must be one string such as \"double\", not %s", describe_value(typecode)))
  }
}

check_dim <- function(dim, length) {
  if (is.null(dim)) {
    return(invisible())
  }
  if (!is.numeric(dim) || !length(dim) || anyNA(dim) || any(dim < 0) || any(dim != trunc(dim)) || prod(dim) != length) {
    abort("ValueError", sprintf("`dim` must be whole numbers whose product is the number of elements, %s", format(length)))
  }
  if (length(dim) > 8L) abort("ValueError", "an Array has at most 8 dimensions")
}

# The pointer of the lock that `lock` means
cells_lock_of <- function(lock) {
  if (inherits(lock, "Lock")) {
    return(private_of(lock)$ptr)
  }
  if (!is.logical(lock) || length(lock) != 1L || is.na(lock)) {
    abort("ValueError", sprintf("`lock` must be TRUE, FALSE, or a Lock() or RLock(), not %s", describe_value(lock)))
  }
  if (lock) lock_create(TRUE)
}

cells_lock <- function(ptr) {
  lock <- cells_lock_pointer(ptr)
  if (is.null(lock)) abort("ValueError", "created with lock = FALSE: it has no lock")
  lock
}

cells_get_lock <- function(ptr) LockHandle$new(cells_lock(ptr))

#' @param data a `Value()` or an `Array()` with a lock.
#' @param expr an expression, evaluated in the frame of the caller with the lock held.
#' @param ... not used.
#' @rdname Value
#' @export
with.Value <- function(data, expr, ...) {
  if (missing(expr)) missing_argument("expr")
  suspendInterrupts(with_lock(cells_lock(private_of(data)$ptr), expr))
}

#' @rdname Value
#' @export
with.Array <- with.Value

#' @export
length.Array <- function(x) cells_length(private_of(x)$ptr)

#' @export
dim.Array <- function(x) cells_dim(private_of(x)$ptr)

#' @export
as.vector.Array <- function(x, mode = "any") {
  ptr <- private_of(x)$ptr
  as.vector(cells_get(ptr, seq_len(cells_length(ptr))), mode)
}

#' @export
`[.Array` <- function(x, i, ..., drop = TRUE) {
  ptr <- private_of(x)$ptr
  indices <- nargs() - 1L - !missing(drop)
  if (indices <= 1L && missing(i)) {
    return(.Call(`_multiprocessing_cells_window`, ptr))
  }
  if (indices <= 1L) {
    return(.Call(`_multiprocessing_cells_get`, ptr, cells_positions(ptr, i)))
  }
  at <- cells_positions_of(ptr, sys.call(), parent.frame())
  values <- cells_get(ptr, at$positions)
  dim(values) <- at$dim
  if (drop) drop(values) else values
}

#' @export
`[<-.Array` <- function(x, i, ..., value) {
  ptr <- private_of(x)$ptr
  indices <- nargs() - 2L
  at <- if (indices > 1L) {
    cells_positions_of(ptr, sys.call(), parent.frame())$positions
  } else if (missing(i)) {
    seq_len(cells_length(ptr))
  } else {
    cells_positions(ptr, i)
  }
  .Call(`_multiprocessing_cells_set`, ptr, at, value)
  x
}

#' @export
`[[.Array` <- function(x, i, ...) {
  ptr <- private_of(x)$ptr
  at <- if (nargs() > 2L) cells_positions_of(ptr, sys.call(), parent.frame())$positions else cells_positions(ptr, i)
  if (length(at) != 1L) abort("IndexError", "`[[` needs the index of one element")
  .Call(`_multiprocessing_cells_get`, ptr, at)
}

#' @export
`[[<-.Array` <- function(x, i, ..., value) {
  ptr <- private_of(x)$ptr
  at <- if (nargs() > 3L) cells_positions_of(ptr, sys.call(), parent.frame())$positions else cells_positions(ptr, i)
  if (length(at) != 1L || length(value) != 1L) abort("IndexError", "`[[<-` replaces one element by one number")
  .Call(`_multiprocessing_cells_set`, ptr, at, value)
  x
}

# Whole numbers from 1 on, for what R takes as an index of a vector
cells_positions <- function(ptr, i) {
  if (is.numeric(i) && length(i) == 1L && !is.na(i) && i >= 1) {
    return(i)
  }
  if (is.matrix(i) && is.numeric(i) && identical(ncol(i), length(cells_dim(ptr)))) {
    dim <- cells_dim(ptr)
    if (anyNA(i) || any(i < 1) || any(t(i) > dim)) abort("IndexError", "no such element")
    return(drop(1 + (i - 1) %*% cumprod(c(1, dim[-length(dim)]))))
  }
  positions_within(i, cells_length(ptr))
}

# The same for one of `n` elements
positions_within <- function(i, n) {
  # R knows the least of a range without a look at its elements
  if (is.numeric(i) && (!length(i) || isTRUE(min(i) >= 1))) {
    return(i)
  }
  if (!is.numeric(i) && !is.logical(i)) {
    abort("IndexError", sprintf("an index must be numbers or logical values, not %s", describe_value(i)))
  }
  if (is.logical(i) && length(i) > n) abort("IndexError", sprintf("no such element: the array has %.0f", n))
  tryCatch(seq_len(n)[i], error = function(e) abort("IndexError", conditionMessage(e)))
}

# The same for one index per dimension, as the call has them; `dim` is how many there are of each
cells_positions_of <- function(ptr, call, frame) {
  dim <- cells_dim(ptr)
  given <- as.list(call)[-(1:2)]
  if (!is.null(names(given))) given <- given[!names(given) %in% c("drop", "value", "exact")]
  if (length(given) != length(dim)) {
    abort("IndexError", sprintf("%d indices were given, but the array has %d dimensions", length(given), max(length(dim), 1L)))
  }
  parts <- lapply(seq_along(dim), function(k) {
    if (identical(given[[k]], quote(expr = ))) {
      return(seq_len(dim[k]))
    }
    i <- eval(given[[k]], frame)
    if (!is.numeric(i) && !is.logical(i)) abort("IndexError", "an index must be numbers or logical values")
    if (is.logical(i) && length(i) > dim[k]) abort("IndexError", sprintf("dimension %d has %d elements", k, dim[k]))
    at <- tryCatch(seq_len(dim[k])[i], error = function(e) abort("IndexError", conditionMessage(e)))
    if (anyNA(at)) abort("IndexError", sprintf("no such element: dimension %d has %d", k, dim[k]))
    at
  })
  strides <- cumprod(c(1, dim[-length(dim)]))
  at <- parts[[1L]]
  for (k in seq_along(dim)[-1L]) at <- outer(at, (parts[[k]] - 1) * strides[k], "+")
  list(positions = as.vector(at), dim = lengths(parts))
}
