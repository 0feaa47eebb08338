# Objects of the shared heap. They hold an external pointer; a message has only its number, and the
# receiver creates its own handle: see revive_handle().
#
# A call of a method, `lock$acquire()`, takes three times as long as what it does. Most of that is R's search for a method of
# `$`, for each name of the object's class; so the class is without R6's own name. And methods find the pointer as `ptr`,
# without a look into `private`.
Handle <- R6::R6Class("multiprocessing_handle",
  cloneable = FALSE,
  public = list(
    format = function(...) handle_format(self, private),
    print = function(...) print_formatted(self)
  ),
  private = list(ptr = NULL)
)

# `text` of an open handle, or that it is closed: this process has closed it, or it was saved in another session
unless_closed <- function(self, ptr, text) {
  if (handle_is_open(ptr)) text else sprintf("<%s (closed)>", class(self)[1L])
}

# `private$ptr` is what the binding reads, see pointer_of()
open_handle <- function(self, private, ptr) {
  private$ptr <- ptr
  assign("ptr", ptr, envir = .subset2(self, ".__enclos_env__"))
  class(self) <- setdiff(class(self), "R6")
}

#' @export
format.multiprocessing_handle <- function(x, ...) x$format(...)

#' @export
print.multiprocessing_handle <- function(x, ...) x$print(...)

# `state`: a function of the open handle's pointer that says what it is doing now
handle_format <- function(self, private, state = NULL) {
  unless_closed(self, private$ptr, {
    now <- if (!is.null(state)) state(private$ptr)
    sprintf("<%s #%s%s>", class(self)[1L], handle_id(private$ptr), if (length(now)) sprintf(" (%s)", now) else "")
  })
}

takes_pointer <- list(initialize = function(ptr) open_handle(self, private, ptr))

# Makes a class of handles whose constructor takes the pointer. R6 gives inherited methods another environment, without
# `ptr`: so no class inherits from such a class.
handle_class <- function(name, public, private = list(), active = NULL) {
  R6::R6Class(name,
    inherit = Handle, cloneable = FALSE,
    public = c(if (is.null(public$initialize)) takes_pointer, public),
    private = private, active = active, parent_env = topenv()
  )
}
