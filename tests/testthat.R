library(testthat)
library(multiprocessing)

test_check("multiprocessing")
