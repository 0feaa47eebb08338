# processx, below testthat, takes SIGCHLD away from package parallel, whose children our tests also
# start. Told so before it is loaded, it passes the signal on; otherwise parallel waits 10 seconds
# for children long gone when R ends, and prints an error.
Sys.setenv(PROCESSX_NOTIFY_OLD_SIGCHLD = "true")

library(testthat)
library(multiprocessing)

# Files that .ci/newest-r has run before it checks the package; by default none
tried <- Sys.getenv("MULTIPROCESSING_TRIED")
test_check("multiprocessing", filter = if (nzchar(tried)) tried, invert = nzchar(tried))
