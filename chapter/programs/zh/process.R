# 锁：五个进程轮流输出

library(multiprocessing)

# 每个进程输出自己的进程号。持有锁的进程才能输出，其余的在 acquire() 处等待
say_pid <- function(lock) {
  lock$acquire()
  cat("process ", Sys.getpid(), "\n", sep = "")
  lock$release()
  # 写成一行也可以，中间出错时同样会释放锁：with(lock, cat(...))
}

cat("Main: ", Sys.getpid(), "\n", sep = "")

lock <- Lock()

# 先创建进程……
processes <- lapply(1:5, function(i) Process(say_pid, args = list(lock)))

# ……再启动。五个进程从这时起同时运行
for (p in processes) {
  p$start()
}

# join() 等待进程结束，但不会终止进程；p$join(2) 最多等两秒
for (p in processes) {
  p$join()
}
