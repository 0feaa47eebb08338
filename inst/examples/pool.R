# A pool of workers: one function, many values, several processes.
#
# Run it with:  Rscript pool.R

library(multiprocessing)

square <- function(x) {
  x * x
}

# A Python program needs `if __name__ == "__main__":` around the lines below.
# Wherever Python starts each worker as a new interpreter, the worker imports the
# program's file to find `square`. Without the guard that import would start a
# pool again, whose workers would start a pool again, and so on. In R no worker
# reads this file: the function itself travels to the workers. So there is no
# guard, and the lines simply run from top to bottom.

# Five processes that wait for work.
pool <- Pool(5)

# map(): every value goes to some worker. The results come back in the order of
# the values, whichever was first.
squares <- pool$map(square, 0:4)
cat(unlist(squares), fill = TRUE)

# The same with a function from another file. The pool is already running, and
# it does not matter: the workers get `fx` together with the task.
source(system.file("examples", "fx.R", package = "multiprocessing"))
squares <- pool$map(fx, 0:4)
cat(unlist(squares), fill = TRUE)

# imap(): as map(), but we take the results one by one, in the order of the
# values, while the workers are still computing the later ones.
cat("imap, in order:\n")
results <- pool$imap(fx, 0:4)
while (results$has_next()) {
  cat(results$next_value(), fill = TRUE)
}

# imap_unordered(): whatever is ready first comes first. Here the task that was
# given first takes the longest.
wait_and_tell <- function(seconds) {
  Sys.sleep(seconds)
  paste("slept for", seconds, "s")
}
cat("imap_unordered, as they finish:\n")
results <- pool$imap_unordered(wait_and_tell, c(1.5, 0.1, 0.8))
while (results$has_next()) {
  cat(results$next_value(), fill = TRUE)
}

# close(): there will be no more tasks. join(): wait until all workers have left.
pool$close()
pool$join()
