# Ten producers, ten consumers, and a queue between them.
#
# Run it with:  Rscript queue.R

library(multiprocessing)

# put() waits while the queue is full, get() waits while it is empty. So no
# process has to know which one will take a message, or when.
produce <- function(queue) {
  time <- format(Sys.time(), "%H:%M:%OS3")
  queue$put(paste0(Sys.getpid(), "(put):", time))
}

consume <- function(queue, lock) {
  received <- queue$get()
  # The lock keeps the lines of the consumers apart.
  lock$acquire()
  cat(Sys.getpid(), " get: ", received, "\n", sep = "")
  lock$release()
}

queue <- Queue(3) # room for three messages; the fourth put() has to wait
lock <- Lock()

producers <- lapply(1:10, function(i) Process(produce, args = list(queue)))
consumers <- lapply(1:10, function(i) Process(consume, args = list(queue, lock)))

# Start the consumers before waiting for the producers: without them the queue
# would stay full, and the producers could never finish.
for (p in c(producers, consumers)) {
  p$start()
}

for (p in producers) {
  p$join()
}

# All messages are in the queue or already taken. close() says that this process
# puts no more into it. The consumers still get what is left.
queue$close()

for (p in consumers) {
  p$join()
}
