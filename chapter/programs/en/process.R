# Five processes that take turns: a lock.
#
# Run it with:  Rscript process.R

library(multiprocessing)

# Every process writes its own number, its "pid". Only the one that holds the
# lock may write; the others wait in acquire() until it is released.
say_pid <- function(lock) {
  lock$acquire()
  cat("process ", Sys.getpid(), "\n", sep = "")
  lock$release()
  # In one line, and safe even when the middle fails:  with(lock, cat(...))
}

cat("Main: ", Sys.getpid(), "\n", sep = "")

lock <- Lock()

# A process is made first ...
processes <- lapply(1:5, function(i) Process(say_pid, args = list(lock)))

# ... and starts to work when it is told to. All five now run at the same time.
for (p in processes) {
  p$start()
}

# join() waits until the process has ended. It does not end it. With a number,
# p$join(2) waits for at most two seconds, and the process runs on if it needs more.
for (p in processes) {
  p$join()
}
