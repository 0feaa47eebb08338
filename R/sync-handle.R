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

handle_format <- function(self, private) {
  state <- if (handle_is_open(private$ptr)) paste0("#", handle_id(private$ptr)) else "(closed)"
  sprintf("<%s %s>", class(self)[1L], state)
}

# Numbers as in core/layout.h: enum class Kind
revive_handle <- function(kind, ptr) {
  switch(kind + 1L,
    NULL, NULL,
    LockHandle$new(ptr),
    (if (queue_is_simple(ptr)) SimpleQueueHandle else QueueHandle)$new(ptr),
    NULL,
    ConnectionHandle$new(ptr),
    NULL,
    NULL,
    NULL,
    ptr, # barriers and arrays belong to compiled code
    ptr
  )
}

# Makes a class of handles whose constructor takes the pointer
handle_class <- function(name, public, private = list(), active = NULL) {
  R6::R6Class(name,
    inherit = Handle, cloneable = FALSE,
    public = c(list(initialize = function(ptr) private$ptr <- ptr), public),
    private = private, active = active
  )
}
