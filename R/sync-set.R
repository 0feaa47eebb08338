# Sets of a manager: as its lists one value, changed by modify(). Elements are any R values; those that are identical() are one.

set_methods <- function(self, private, ptr) list(
  add = function(x) list_change(ptr, function(s) set_union(s, list(x))),
  discard = function(x) list_change(ptr, function(s) set_without(s, list(x))),
  remove = function(x) {
    list_change(ptr, function(s) {
      if (!set_has(s, x)) abort("KeyError", sprintf("the set does not have this element: %s", describe_value(x)))
      set_without(s, list(x))
    })
  },
  pop = function() set_pop(ptr),
  clear = function() list_change(ptr, function(s) list()),
  contains = function(x) set_has(list_all(ptr), x),
  copy = function() list_all(ptr),
  update = function(...) list_change(ptr, function(s) set_all(s, list(...), set_union)),
  union = function(...) set_all(list_all(ptr), list(...), set_union),
  intersection = function(...) set_all(list_all(ptr), list(...), set_common),
  intersection_update = function(...) list_change(ptr, function(s) set_all(s, list(...), set_common)),
  difference = function(...) set_all(list_all(ptr), list(...), set_without),
  difference_update = function(...) list_change(ptr, function(s) set_all(s, list(...), set_without)),
  symmetric_difference = function(other) set_either(list_all(ptr), elements_given(other)),
  symmetric_difference_update = function(other) list_change(ptr, function(s) set_either(s, elements_given(other))),
  isdisjoint = function(other) !length(set_common(list_all(ptr), elements_given(other))),
  issubset = function(other) !length(set_without(list_all(ptr), elements_given(other))),
  issuperset = function(other) !length(set_without(elements_given(other), list_all(ptr))),
  format = function(...) unless_closed(self, ptr, sprintf("<Set #%s, %s>", handle_id(ptr), counted(length(list_all(ptr)), "element")))
)

SetHandle <- handle_class("Set", set_methods)

new_managed_set <- function(values) {
  ptr <- dict_create(4L)
  .Call(`_multiprocessing_dict_assign`, ptr, "list", set_union(list(), set_given(values)), NULL)
  SetHandle$new(ptr)
}

# One list, vector, managed list or set gives its elements; several arguments are the elements.
set_given <- function(values) if (length(values) == 1L && is.null(names(values))) elements_given(values[[1L]]) else unname(values)

set_pop <- function(ptr) {
  taken <- NULL
  list_change(ptr, function(s) {
    if (!length(s)) abort("KeyError", "the set is empty")
    taken <<- s[[1L]]
    s[-1L]
  })
  taken
}

set_has <- function(s, x) any(vapply(s, identical, TRUE, x))

set_all <- function(s, others, combine) {
  for (other in others) s <- combine(s, elements_given(other))
  s
}

# unique(), match() and %in% of lists compare numbers of different types as equal, and some values by their text.
set_union <- function(s, other) {
  for (x in other) if (!set_has(s, x)) s <- c(s, list(x))
  s
}

set_common <- function(s, other) Filter(function(x) set_has(other, x), s)
set_without <- function(s, other) Filter(function(x) !set_has(other, x), s)
set_either <- function(s, other) c(set_without(s, other), set_without(set_union(list(), other), s))

#' @export
length.Set <- function(x) length(list_all(private_of(x)$ptr))
#' @export
as.list.Set <- function(x, ...) list_all(private_of(x)$ptr)
