# 队列：十个生产者，十个消费者

library(multiprocessing)

# 队列满时 put() 等待，队列空时 get() 等待，双方都不必知道对方是谁、何时来取
produce <- function(queue) {
  time <- format(Sys.time(), "%H:%M:%OS3")
  queue$put(paste0(Sys.getpid(), "(put):", time))
}

consume <- function(queue, lock) {
  received <- queue$get()
  # 用锁让各个消费者的输出互不穿插
  lock$acquire()
  cat(Sys.getpid(), " get: ", received, "\n", sep = "")
  lock$release()
}

queue <- Queue(3) # 只有三个位置，第四个 put() 要等待
lock <- Lock()

producers <- lapply(1:10, function(i) Process(produce, args = list(queue)))
consumers <- lapply(1:10, function(i) Process(consume, args = list(queue, lock)))

# 先启动消费者再等待生产者，否则队列一直是满的，生产者无法结束
for (p in c(producers, consumers)) {
  p$start()
}

for (p in producers) {
  p$join()
}

# 消息已经全部在队列里或者被取走。close() 表示本进程不再使用这个队列，
# 消费者仍然可以取完剩下的消息
queue$close()

for (p in consumers) {
  p$join()
}
