#' A barrier: processes wait for each other
#'
#' A barrier is for a fixed number of parties. `$wait()` returns when that many processes have called it; then the next round
#' begins. A barrier may be captured by, given to, or sent to any process of the session.
#'
#' @param parties the number of processes.
#' @param action a function without arguments, or `NULL`. In each round the last party to arrive calls it, before `$wait()` returns to any of them.
#' @param timeout seconds, for calls of `$wait()` that give none; `NULL`: no limit.
#' @section Methods:
#' - `$wait(timeout = NULL)`: waits for the other parties, at most `timeout` seconds. Returns how many came before, so exactly one
#'   party of a round receives 0.
#' - `$abort()`: breaks the barrier: every party that waits, or comes, has an error of class `BrokenBarrierError`.
#' - `$reset()`: the same for those that wait; the barrier then begins anew, and is not broken.
#'
#' @section Fields: `$parties`, `$n_waiting` (how many wait now), `$broken`.
#' @section A broken barrier:
#' A barrier breaks for all parties when one has waited longer than its `timeout`, when one is interrupted, when the action fails, and
#' when one is killed: one that waits, or one that has been in an earlier round since the last `$reset()`, at the latest when another
#' party of that round comes again. (A process that has never come is not known.) A process that ends by itself breaks nothing, and neither
#' does a worker that has no task when its pool ends.
#' @section Errors: `BrokenBarrierError`, `ValueError` (bad arguments), `HeapFullError` (no memory for another one).
#' @return A handle of class `Barrier`.
#' @section Python: `multiprocessing.Barrier(parties, action, timeout)`.
#' @seealso [Event()], [Condition()], [Process()].
#' @concept synchronisation point
#' @examples
#' barrier <- Barrier(2)
#' p <- Process(function() barrier$wait())
#' p$start()
#' barrier$wait(timeout = 10)
#' p$value()
#'
#' # the last party calls `action`; a party that waits longer than `timeout` breaks the barrier
#' alone <- Barrier(1, action = function() cat("all are here\n"))
#' alone$wait()
#' late <- Barrier(2, timeout = 0.1)
#' tryCatch(late$wait(), BrokenBarrierError = function(e) late$broken)
#' late$reset() # as new
#' late$abort() # broken, for all that wait and will wait
#' c(late$parties, late$n_waiting, late$broken)
#' @export
Barrier <- function(parties, action = NULL, timeout = NULL) {
  check_count(parties, "parties", min = 1)
  if (parties > .Machine$integer.max) {
    abort("ValueError", sprintf("`parties` must be at most %d, not %s", .Machine$integer.max, format(parties)))
  }
  if (!is.null(action)) check_function(action, "action")
  sent <- if (!is.null(action)) list(action = action, variables = variables_named_by(action))
  handle <- BarrierHandle$new(barrier_create(parties, sent, timeout))
  private <- private_of(handle)
  private$action <- action
  handle
}

barrier_methods <- function(self, private, ptr) list(
  wait = function(timeout = NULL) barrier_round(private, timeout),
  abort = function() invisible(barrier_abort(ptr)),
  reset = function() invisible(barrier_reset(ptr)),
  format = function(...) unless_closed(self, ptr, {
    state <- barrier_state(ptr)
    sprintf(
      "<Barrier #%s, %d of %d %s waiting>", handle_id(ptr), state$n_waiting, state$parties,
      if (state$broken) "broken, " else "parties"
    )
  })
)

barrier_fields <- function(self, private, ptr) list(
  parties = function() barrier_state(ptr)$parties,
  n_waiting = function() barrier_state(ptr)$n_waiting,
  broken = function() barrier_state(ptr)$broken
)

BarrierHandle <- handle_class("Barrier", barrier_methods, barrier_fields)

# `place`: the party's number, and of the one that has to act the round, else -1. The binding assigns it, so that no Ctrl-C comes
# between the end of the wait and our knowledge of it.
barrier_round <- function(private, timeout) {
  place <- c(0, -1)
  on.exit(if (place[2L] >= 0) barrier_abort(private$ptr)) # the action failed, or was interrupted
  barrier_wait(private$ptr, timeout, environment())
  if (place[2L] >= 0) {
    action_of(private)()
    barrier_pass(private$ptr, place[2L])
    place[2L] <- -1
  }
  as.integer(place[1L])
}

# In a process that received the barrier in a message, the action comes from shared memory, together with the variables
# that it needs and that this process lacks.
action_of <- function(private) {
  if (is.null(private$action)) {
    sent <- barrier_action(private$ptr)
    for (name in names(sent$variables)) {
      if (!exists(name, globalenv(), inherits = FALSE)) assign(name, sent$variables[[name]], globalenv())
    }
    private$action <- sent$action
  }
  private$action
}

# The global variables that the code of a function names, and those that functions among them name
variables_named_by <- function(fun) {
  found <- list()
  todo <- list(fun)
  while (length(todo)) {
    names <- if (is.primitive(todo[[1L]])) character() else code_symbols(todo[[1L]])
    todo <- todo[-1L]
    names <- setdiff(names[vapply(names, exists, TRUE, envir = globalenv(), inherits = FALSE)], names(found))
    new <- mget(names, envir = globalenv())
    found <- c(found, new)
    todo <- c(todo, Filter(is.function, new))
  }
  found
}
