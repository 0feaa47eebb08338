# Objects of the shared heap. They hold an external pointer; in a message only its number travels, and the
# receiver makes its own handle: see revive_handle().
Handle <- R6::R6Class("multiprocessing_handle",
  cloneable = FALSE,
  public = list(
    format = function(...) handle_format(self, private),
    print = function(...) print_formatted(self)
  ),
  private = list(ptr = NULL)
)

# `state`: a function of the open handle's pointer that says what it is doing now
handle_format <- function(self, private, state = NULL) {
  name <- class(self)[1L]
  if (!handle_is_open(private$ptr)) {
    return(sprintf("<%s (closed)>", name))
  }
  now <- if (!is.null(state)) state(private$ptr)
  sprintf("<%s #%s%s>", name, handle_id(private$ptr), if (length(now)) sprintf(" (%s)", now) else "")
}

# Makes a class of handles whose constructor takes the pointer
handle_class <- function(name, public, private = list(), active = NULL) {
  R6::R6Class(name,
    inherit = Handle, cloneable = FALSE,
    public = c(if (is.null(public$initialize)) list(initialize = function(ptr) private$ptr <- ptr), public),
    private = private, active = active, parent_env = topenv()
  )
}
