# Two processes talk through a pipe.
#
# Run it with:  Rscript pipe.R

library(multiprocessing)

# A pipe has two ends. What is sent into one end is received at the other.
talk_first <- function(end) {
  end$send("hello")
  cat("proc1 rec: ", end$recv(), "\n", sep = "")
}

answer <- function(end) {
  # recv() waits until something has arrived.
  cat("proc2 rec: ", end$recv(), "\n", sep = "")
  end$send("hello, too")
}

ends <- Pipe()

proc1 <- Process(talk_first, args = list(ends[[1]]))
proc2 <- Process(answer, args = list(ends[[2]]))

proc1$start()
proc2$start()

proc1$join()
proc2$join()
