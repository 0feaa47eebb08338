#' Dictionaries, lists, sets and name spaces that processes share
#'
#' A manager makes objects that several processes read and change: `$dict()`, `$list()`, `$set()`, `$Namespace()`, and the objects that this package
#' makes by functions of their own. In Python a server process keeps them. Here they lie in shared memory without a server:
#' all processes see at once what one of them puts, and reading takes microseconds.
#'
#' What is put is encoded and what is read is a copy: `d[["k"]]$x <- 1` reads the value, changes it, and puts it again, and another
#' process may have put another one meanwhile. `d$modify("k", f)` makes that one step.
#'
#' @section Dict: `m$dict(...)` has named arguments as its first entries, or those of one named list or dict. Keys are strings, values any R values that can travel.
#' - `d[["k"]]`: the value; an error of class `KeyError` if there is none. `d[["k"]] <- v` puts a value (`NULL`, too).
#' - `$get(key, default = NULL)`; `$pop(key, default)` removes and returns; `$setdefault(key, default = NULL)` puts it if there is none,
#'   and returns the value of the key; `$update(...)` puts named arguments, or the elements of one named list; `$contains(key)`; `$clear()`.
#' - `$popitem()` removes the newest entry and returns it, a list with its name; an error of class `KeyError` if there is none.
#' - `$keys()`, `$values()`, `$items()` (a named list), in the order in which the keys came; `$copy()`, `length(d)`, `names(d)`, `as.list(d)`.
#' - `$modify(key, f, default = NULL)`: puts `f(old)` in the place of `old` and returns it. Nothing comes between: other processes' `$modify()`
#'   wait; if the value is put otherwise meanwhile, `f` is called again.
#' @section List: `m$list(...)` has the arguments as its first elements; one unnamed list or vector gives its elements. A handle, such as
#'   another list, is an element.
#' - `l[[i]]`, `l[[i]] <- v`: an error of class `IndexError` if there is no such element. `l[i]` reads several, `l[i] <- vs` puts them, and
#'   `l[i] <- NULL` removes them; `l[]` are all.
#' - `$count(x)`, `$index(x)`: how many elements are identical to `x`, and the first that is (`ValueError` if none); `$copy()`: `as.list(l)`.
#' - `$append(x)`, `$extend(xs)`, `$insert(i, x)` (before element `i`), `$pop(i)` (the last by default), `$remove(x)` (the first that is
#'   identical), `$sort(decreasing = FALSE)`, `$reverse()`, `$clear()`, `length(l)`, `as.list(l)`.
#' - It is one value: each operation takes time in proportion to its length. For many elements use a dict or a [Queue()].
#' @section Set: `m$set(...)` has the arguments as its first elements; one unnamed list, vector, managed list or set gives its elements.
#'   Elements are any R values, and those that are [identical()] are one.
#' - `$add(x)`, `$update(...)` (the elements of each argument); `$discard(x)`, `$remove(x)` (`KeyError` if it is no element), `$pop()` (any
#'   element, removed; `KeyError` if there is none), `$clear()`.
#' - `$contains(x)`, `length(s)`, `as.list(s)`, `$copy()`.
#' - `$union(...)`, `$intersection(...)`, `$difference(...)`, `$symmetric_difference(other)`: lists; `$intersection_update(...)`,
#'   `$difference_update(...)`, `$symmetric_difference_update(other)`: change the set.
#' - `$isdisjoint(other)`, `$issubset(other)`, `$issuperset(other)`.
#' - Like a list it is one value.
#' @section Namespace: `ns <- m$Namespace(...)`; `ns$x` reads, `ns$x <- v` puts, `ns$x <- NULL` removes; `names(ns)`, `as.list(ns)`.
#' @section The rest: `m$Value()`, `m$Array()`, `m$Lock()`, `m$RLock()`, `m$Semaphore()`, `m$BoundedSemaphore()`, `m$Event()`,
#'   `m$Condition()`, `m$Barrier()`, `m$Queue()`, `m$JoinableQueue()` are the functions of these names. `m$shutdown()` and `m$start()` do nothing.
#' @section Deaths: A process that is killed in any operation leaves the dict whole: the operation is done, or not begun.
#' @section Errors: `KeyError`, `IndexError`, `ValueError` (bad arguments), `EncodingError` (a value that cannot travel), `HeapFullError`
#'   (no memory), `TimeoutError` (a process is stopped, see [multiprocessing-package]).
#' @return `Manager()` a list of functions, of class `Manager`; they return handles of class `Dict`, `List`, `Set` and `Namespace`.
#' @section Python: `multiprocessing.Manager()`; `$modify()` is this package's own. There is nothing to connect to, and no `register()`.
#' @seealso [Value()] and [Array()] for numbers, [share()] for large data, [Queue()].
#' @concept shared dictionary
#' @concept shared list
#' @examples
#' m <- Manager()
#' d <- m$dict(apples = 1)
#' ps <- lapply(1:2, function(i) {
#'   p <- Process(function() d$modify("apples", function(n) n + 1))
#'   p$start()
#' })
#' for (p in ps) p$join()
#' d[["apples"]]
#' d[["pears"]] <- list(5, "ripe")
#' names(d)
#' d$get("plums", default = 0)
#' d$setdefault("plums", 7)
#' d$modify("cherries", function(n) n + 1, default = 0)
#' d$update(plums = 8, apples = 4)
#' d$pop("pears")
#' d$pop("pears", default = "none are left")
#' d$contains("pears")
#' str(d$items())
#' c(d$keys(), d$values())
#' d$popitem()
#' d$copy()
#' d$clear()
#' l <- m$list(3, 1)
#' l$append(2)
#' l$extend(4:5)
#' l$insert(1, 9) # before the first
#' l$remove(3)
#' l$sort(decreasing = TRUE)
#' unlist(as.list(l))
#' l[1:2] <- c(6, 7)
#' c(l$count(6), l$index(7), length(l[2:3]), length(l$copy()))
#' l$reverse()
#' l$pop(1)
#' l$clear()
#' length(l)
#' s <- m$set("a", "b")
#' s$add("a")
#' s$update(c("c", "d"))
#' c(length(s), s$contains("d"), s$issubset(letters), s$isdisjoint("e"), s$issuperset("a"))
#' unlist(s$intersection(c("b", "e")))
#' unlist(c(s$union("e"), s$difference("a"), s$symmetric_difference("a")))
#' s$discard("e")
#' s$remove("a")
#' s$intersection_update(c("b", "c"))
#' s$difference_update("b")
#' s$symmetric_difference_update("e")
#' unlist(s$copy())
#' s$pop()
#' s$clear()
#' ns <- m$Namespace(x = 1)
#' ns$x <- ns$x + 1
#' ns$x
#'
#' # functions of this package, by Python's names
#' locks <- list(m$Lock(), m$RLock(), m$Condition())
#' lock <- locks[[2]]
#' box <- m$Array("double", 2)
#' with(lock, box[1] <- 2)
#' m$Value("integer", 3)$value
#' c(m$Semaphore(2)$get_value(), m$BoundedSemaphore(3)$get_value())
#' m$Barrier(2)$parties
#' m$Event()$is_set()
#' c(m$Queue()$empty(), m$JoinableQueue()$empty())
#' m$shutdown()
#' @export
Manager <- function() {
  self <- structure(
    list(
      dict = function(...) new_dict(DictHandle, 1L, list(...)), list = function(...) new_managed_list(list(...)),
      set = function(...) new_managed_set(list(...)),
      Namespace = function(...) new_dict(NamespaceHandle, 3L, list(...)),
      Value = Value, Array = Array, Lock = Lock, RLock = RLock, Semaphore = Semaphore, BoundedSemaphore = BoundedSemaphore,
      Event = Event, Condition = Condition, Barrier = Barrier, Queue = Queue, JoinableQueue = JoinableQueue,
      start = function() invisible(NULL), shutdown = function() invisible(NULL)
    ),
    class = "Manager"
  )
  self
}

#' @export
format.Manager <- function(x, ...) {
  sprintf("<Manager: makes %s>", paste(setdiff(names(x), c("start", "shutdown")), collapse = ", "))
}

#' @export
print.Manager <- function(x, ...) {
  cat(format(x), "\n", sep = "")
  invisible(x)
}

#' @export
with.Manager <- function(data, expr, ...) expr

new_dict <- function(class, face, values) {
  values <- entries_of(values)
  ptr <- dict_create(face)
  for (key in names(values)) .Call(`_multiprocessing_dict_assign`, ptr, key, values[[key]], NULL)
  class$new(ptr)
}

# Named arguments, or what one list, dict or name space has
entries_of <- function(values) {
  if (length(values) == 1L && is.null(names(values))) {
    one <- values[[1L]]
    if (is.list(one) || is.atomic(one) || inherits(one, c("Dict", "Namespace"))) values <- as.list(one)
  }
  keys <- names(values)
  if (length(values) && (is.null(keys) || anyNA(keys) || !all(nzchar(keys)) || anyDuplicated(keys))) {
    abort("ValueError", "the values must be named arguments, or one named list, each name once")
  }
  values
}

dict_methods <- function(self, private, ptr) list(
  get = function(key, default = NULL) .Call(`_multiprocessing_dict_lookup`, ptr, key, default),
  set = function(key, value) invisible(.Call(`_multiprocessing_dict_assign`, ptr, key, value, NULL)),
  pop = function(key, default) dict_pop(ptr, key, default),
  setdefault = function(key, default = NULL) dict_setdefault(ptr, key, default),
  update = function(...) dict_update(ptr, list(...)),
  contains = function(key) .Call(`_multiprocessing_dict_has`, ptr, key),
  keys = function() .Call(`_multiprocessing_dict_names`, ptr),
  values = function() unname(.Call(`_multiprocessing_dict_values`, ptr)),
  items = function() .Call(`_multiprocessing_dict_values`, ptr),
  copy = function() .Call(`_multiprocessing_dict_values`, ptr),
  popitem = function() dict_popitem(ptr),
  modify = function(key, f, default = NULL) dict_modify(ptr, key, f, default),
  clear = function() invisible(.Call(`_multiprocessing_dict_empty`, ptr)),
  format = function(...) unless_closed(self, ptr, {
    keys <- .Call(`_multiprocessing_dict_names`, ptr)
    shown <- paste(c(utils::head(keys, 5L), if (length(keys) > 5L) "..."), collapse = ", ")
    sprintf("<Dict #%s, %d %s%s%s>", handle_id(ptr), length(keys), if (length(keys) == 1L) "key" else "keys", if (length(keys)) ": " else "", shown)
  })
)

DictHandle <- handle_class("Dict", dict_methods)

dict_pop <- function(ptr, key, default) {
  found <- .Call(`_multiprocessing_dict_take`, ptr, key)
  if (length(found)) {
    return(found[[1L]])
  }
  if (missing(default)) abort("KeyError", sprintf("no such key: \"%s\"", key))
  default
}

# Another process may take the newest entry first: then the next one.
dict_popitem <- function(ptr) {
  repeat {
    keys <- .Call(`_multiprocessing_dict_names`, ptr)
    if (!length(keys)) abort("KeyError", "the dict has no entry to remove")
    newest <- keys[length(keys)]
    found <- .Call(`_multiprocessing_dict_take`, ptr, newest)
    if (length(found)) {
      names(found) <- newest
      return(found)
    }
  }
}

dict_setdefault <- function(ptr, key, default) {
  repeat {
    found <- .Call(`_multiprocessing_dict_fetch`, ptr, key)
    if (found[[1L]] > 0) {
      return(found[[2L]])
    }
    if (.Call(`_multiprocessing_dict_assign`, ptr, key, default, 0)) {
      return(default)
    }
  }
}

dict_update <- function(ptr, values) {
  values <- entries_of(values)
  for (key in names(values)) .Call(`_multiprocessing_dict_assign`, ptr, key, values[[key]], NULL)
  invisible(NULL)
}

# The lock keeps other calls of modify() out, also while `f` runs; the stamp tells of puts without it. No warning of an owner that
# died: it has left nothing half changed.
dict_modify <- function(ptr, key, f, default) {
  check_function(f, "f")
  suspendInterrupts(with_lock(dict_lock_pointer(ptr), warn = FALSE, repeat {
    found <- .Call(`_multiprocessing_dict_fetch`, ptr, key)
    new <- f(if (found[[1L]] > 0) found[[2L]] else default)
    if (.Call(`_multiprocessing_dict_assign`, ptr, key, new, found[[1L]])) break
  }))
  invisible(new)
}

#' @export
`[[.Dict` <- function(x, i) .Call(`_multiprocessing_dict_item`, x, i)
#' @export
`[[<-.Dict` <- function(x, i, value) {
  .Call(`_multiprocessing_dict_assign`, x, i, value, NULL)
  x
}
#' @export
length.Dict <- function(x) as.integer(.Call(`_multiprocessing_dict_size`, private_of(x)$ptr))
#' @export
names.Dict <- function(x) .Call(`_multiprocessing_dict_names`, private_of(x)$ptr)
#' @export
as.list.Dict <- function(x, ...) .Call(`_multiprocessing_dict_values`, private_of(x)$ptr)

# --- lists: one value of a dict, changed by modify() ---

new_managed_list <- function(values) {
  if (length(values) == 1L && is.null(names(values))) {
    one <- values[[1L]]
    if (is.list(one) || (is.atomic(one) && length(one) > 1L)) values <- as.list(one)
  }
  ptr <- dict_create(2L)
  .Call(`_multiprocessing_dict_assign`, ptr, "list", unname(values), NULL)
  ListHandle$new(ptr)
}

list_methods <- function(self, private, ptr) list(
  append = function(x) list_change(ptr, function(l) c(l, list(x))),
  extend = function(xs) {
    xs <- elements_given(xs)
    list_change(ptr, function(l) c(l, xs))
  },
  insert = function(i, x) {
    check_count(i, "i", min = 1)
    list_change(ptr, function(l) append(l, list(x), min(i - 1, length(l))))
  },
  pop = function(i = NULL) list_pop(ptr, i),
  remove = function(x) list_remove(ptr, x),
  sort = function(decreasing = FALSE) list_change(ptr, function(l) l[order(unlist(l), decreasing = decreasing)]),
  reverse = function() list_change(ptr, rev),
  count = function(x) sum(vapply(list_all(ptr), identical, TRUE, x)),
  index = function(x) list_index(list_all(ptr), x),
  copy = function() list_all(ptr),
  clear = function() list_change(ptr, function(l) list()),
  format = function(...) unless_closed(self, ptr, {
    n <- length(list_all(ptr))
    sprintf("<List #%s, %d %s>", handle_id(ptr), n, if (n == 1L) "element" else "elements")
  })
)

ListHandle <- handle_class("List", list_methods)

list_all <- function(ptr) .Call(`_multiprocessing_dict_lookup`, ptr, "list", NULL)

# What a list or a vector has, or another managed list or set
elements_given <- function(xs) {
  if (!is.list(xs) && !is.vector(xs) && !is.atomic(xs) && !inherits(xs, c("List", "Set"))) {
    abort("ValueError", sprintf("elements are given by a list or a vector, not by %s", describe_value(xs)))
  }
  unname(as.list(xs))
}

list_change <- function(ptr, f) {
  dict_modify(ptr, "list", f, NULL)
  invisible(NULL)
}

check_element <- function(i, n) {
  if (!is.numeric(i) || length(i) != 1L || is.na(i) || i < 1 || i > n || i != trunc(i)) {
    abort("IndexError", sprintf("no element %s: the list has %d", describe_value(i), n))
  }
}

list_pop <- function(ptr, i) {
  taken <- NULL
  dict_modify(ptr, "list", function(l) {
    at <- if (is.null(i)) length(l) else i
    check_element(at, length(l))
    taken <<- l[[at]]
    l[-at]
  }, NULL)
  taken
}

list_index <- function(l, x) {
  at <- Position(function(y) identical(x, y), l)
  if (is.na(at)) abort("ValueError", "no element of the list is identical to this value")
  at
}

list_remove <- function(ptr, x) list_change(ptr, function(l) l[-list_index(l, x)])

list_positions <- function(i, n) {
  at <- positions_within(i, n)
  if (anyNA(at) || any(at > n)) abort("IndexError", sprintf("no such elements: the list has %d", n))
  at
}

#' @export
`[.List` <- function(x, i) {
  l <- list_all(private_of(x)$ptr)
  if (missing(i)) l else l[list_positions(i, length(l))]
}
#' @export
`[<-.List` <- function(x, i, value) {
  all <- missing(i)
  list_change(private_of(x)$ptr, function(l) {
    at <- if (all) seq_along(l) else list_positions(i, length(l))
    l[at] <- if (is.null(value)) NULL else if (is.list(value) || is.atomic(value)) as.list(value) else list(value)
    l
  })
  x
}

#' @export
`[[.List` <- function(x, i) {
  l <- list_all(private_of(x)$ptr)
  check_element(i, length(l))
  l[[i]]
}
#' @export
`[[<-.List` <- function(x, i, value) {
  list_change(private_of(x)$ptr, function(l) {
    check_element(i, length(l))
    l[i] <- list(value)
    l
  })
  x
}
#' @export
length.List <- function(x) length(list_all(private_of(x)$ptr))
#' @export
as.list.List <- function(x, ...) list_all(private_of(x)$ptr)

# --- name spaces: what `$` means is the user's ---

namespace_methods <- function(self, private, ptr) list()

NamespaceHandle <- handle_class("Namespace", namespace_methods)

namespace_ptr <- function(x) .subset2(x, ".__enclos_env__")$ptr

#' @export
`$.Namespace` <- function(x, name) .Call(`_multiprocessing_dict_item`, x, name)
#' @export
`[[.Namespace` <- `$.Namespace`
#' @export
`$<-.Namespace` <- function(x, name, value) {
  if (is.null(value)) .Call(`_multiprocessing_dict_take`, namespace_ptr(x), name) else .Call(`_multiprocessing_dict_assign`, namespace_ptr(x), name, value, NULL)
  x
}
#' @export
`[[<-.Namespace` <- `$<-.Namespace`
#' @export
names.Namespace <- function(x) .Call(`_multiprocessing_dict_names`, namespace_ptr(x))
#' @export
length.Namespace <- function(x) as.integer(.Call(`_multiprocessing_dict_size`, namespace_ptr(x)))
#' @export
as.list.Namespace <- function(x, ...) .Call(`_multiprocessing_dict_values`, namespace_ptr(x))
#' @export
format.Namespace <- function(x, ...) {
  unless_closed(x, namespace_ptr(x), {
    sprintf("<Namespace #%s: %s>", handle_id(namespace_ptr(x)), paste(names(x), collapse = ", "))
  })
}
#' @export
print.Namespace <- function(x, ...) {
  cat(format(x), "\n", sep = "")
  invisible(x)
}
