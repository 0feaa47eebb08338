# The class of a handle that arrives in a message. Called by the binding.

# Numbers as in core/layout.h: enum class BlockKind. Those without a class here belong to compiled code.
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
    "15" = switch(dict_kind(ptr), DictHandle, ListHandle, NamespaceHandle, SetHandle)
  )
  if (is.null(class)) ptr else class$new(ptr)
}
