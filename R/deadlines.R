# A limit in seconds as a time of the clock that all waits use, and back.

deadline_of <- function(timeout) {
  if (is.null(timeout)) {
    return(NULL)
  }
  if (!is.numeric(timeout) || length(timeout) != 1L || is.na(timeout)) {
    abort("ValueError", sprintf(
      "`timeout` must be NULL (no limit) or one number of seconds, not %s", describe_value(timeout)
    ))
  }
  monotonic_seconds() + timeout
}

time_left <- function(until) if (is.null(until)) NULL else max(0, until - monotonic_seconds())
