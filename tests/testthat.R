# processx, below testthat, takes SIGCHLD away from package parallel, whose children our tests also
# start. Told so before it is loaded, it passes the signal on; otherwise parallel waits 10 seconds
# for children long gone when R ends, and prints an error.
Sys.setenv(PROCESSX_NOTIFY_OLD_SIGCHLD = "true")

# R CMD check of R 4.2 would end R where `||` meets two values, as parallel's checks of arguments do, and ours like them.
Sys.unsetenv("_R_CHECK_LENGTH_1_LOGIC2_")

library(testthat)
library(multiprocessing)

test_check("multiprocessing")
