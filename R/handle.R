# Pools, and objects of the shared heap. They hold an external pointer; of an object of the heap a message has only its number,
# and the receiver creates its own handle: see revive_handle().
#
# A handle looks like an R6 object: an environment of methods with a class, whose `.__enclos_env__` is the environment of the
# methods, where `self`, `private` and `ptr` are. R6 itself takes 100 us to make one, which is much for a task that is sent a lock,
# and R does not compile the methods of its objects. Here they are closures of a function that was compiled with the package.
#
# A call of a method, `lock$acquire()`, takes three times as long as the method alone: `$` of an object with a class makes R search
# for a method of `$`, for each name of the class.

#' @export
format.multiprocessing_handle <- function(x, ...) x$format(...)

#' @export
print.multiprocessing_handle <- function(x, ...) print_formatted(x)

# `text` of an open handle, or that it is closed: this process has closed it, or it was saved in another session
unless_closed <- function(self, ptr, text) {
  if (handle_is_open(ptr)) text else sprintf("<%s (closed)>", class(self)[1L])
}

# `state`: a function of the open handle's pointer that says what it is doing now
handle_format <- function(self, ptr, state) {
  unless_closed(self, ptr, {
    now <- state(ptr)
    sprintf("<%s #%s%s>", class(self)[1L], handle_id(ptr), if (length(now)) sprintf(" (%s)", now) else "")
  })
}

# A class of handles, whose `$new()` takes the pointer. `methods` gives the list of an object's methods, `active` of its active
# bindings; both are functions of the object, an environment for its other data, and the pointer. They are functions of the package
# by name, which R compiles when the package is installed; so they are not looked up before.
handle_class <- function(class, methods, active) {
  class <- c(class, "multiprocessing_handle")
  has_fields <- !missing(active)
  list(new = function(ptr) {
    self <- new.env(hash = FALSE, parent = emptyenv())
    private <- new.env(hash = FALSE, parent = emptyenv())
    private$ptr <- ptr
    made <- c(methods(self, private, ptr), print_method(self, private, ptr))
    list2env(made, self)
    self$.__enclos_env__ <- enter_frames(made, self, private, ptr)
    if (!has_fields) {
      lockEnvironment(self, bindings = TRUE)
    } else {
      for (name in names(made)) lockBinding(name, self)
      fields <- active(self, private, ptr)
      for (name in names(fields)) makeActiveBinding(name, fields[[name]], self)
      frame <- enter_frames(fields, self, private, ptr)
      frame$.__active__ <- fields
      lockEnvironment(self)
    }
    class(self) <- class
    self
  })
}

print_method <- function(self, private, ptr) list(print = function(...) print_formatted(self))

# The frames that the functions come from get the values in place of promises, which C++ does not look into. Gives the last frame.
enter_frames <- function(functions, self, private, ptr) {
  frame <- NULL
  for (fun in functions) if (!identical(environment(fun), frame)) {
    frame <- environment(fun)
    frame$self <- self
    frame$private <- private
    frame$ptr <- ptr
  }
  frame
}
