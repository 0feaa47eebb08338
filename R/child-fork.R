# The start method "fork": a copy of this process, which has all that its main function needs. See child-start-method.R.
fork_method <- list(
  copies = TRUE,
  prepare = function(main, what, ...) {
    what$sinks <- has_sinks()
    as.call(list(get(main), what))
  }
)
