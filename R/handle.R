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

# Numbers as in core/layout.h: enum class Kind. Those without a class here belong to compiled code.
revive_handle <- function(kind, ptr) {
  class <- switch(as.character(kind),
    "2" = LockHandle,
    "3" = if (queue_is_joinable(ptr)) JoinableQueueHandle else if (queue_is_simple(ptr)) SimpleQueueHandle else QueueHandle,
    "5" = ConnectionHandle,
    "9" = BarrierHandle,
    "11" = SemaphoreHandle,
    "12" = EventHandle,
    "13" = ConditionHandle,
    "14" = if (cells_are_single(ptr)) ValueHandle else ArrayHandle,
    "15" = switch(dict_kind(ptr), DictHandle, ListHandle, NamespaceHandle)
  )
  if (is.null(class)) ptr else class$new(ptr)
}

# Makes a class of handles whose constructor takes the pointer
handle_class <- function(name, public, private = list(), active = NULL) {
  R6::R6Class(name,
    inherit = Handle, cloneable = FALSE,
    public = c(if (is.null(public$initialize)) list(initialize = function(ptr) private$ptr <- ptr), public),
    private = private, active = active, parent_env = topenv()
  )
}
