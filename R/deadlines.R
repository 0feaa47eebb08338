# A limit in seconds as a time of the clock that all waits use, and back.

deadline_of <- function(timeout) if (is.null(timeout)) NULL else monotonic_seconds() + timeout
time_left <- function(until) if (is.null(until)) NULL else max(0, until - monotonic_seconds())
