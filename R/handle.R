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

# What a handle is, or that it is closed: its own process has closed it, or it was saved in another session
unless_closed <- function(self, ptr, text) {
  if (handle_is_open(ptr)) text else sprintf("<%s (closed)>", class(self)[1L])
}

# `state`: a function of the open handle's pointer that says what it is doing now
handle_format <- function(self, private, state = NULL) {
  unless_closed(self, private$ptr, {
    now <- if (!is.null(state)) state(private$ptr)
    sprintf("<%s #%s%s>", class(self)[1L], handle_id(private$ptr), if (length(now)) sprintf(" (%s)", now) else "")
  })
}

# Makes a class of handles whose constructor takes the pointer
handle_class <- function(name, public, private = list(), active = NULL) {
  R6::R6Class(name,
    inherit = Handle, cloneable = FALSE,
    public = c(if (is.null(public$initialize)) list(initialize = function(ptr) private$ptr <- ptr), public),
    private = private, active = active, parent_env = topenv()
  )
}
