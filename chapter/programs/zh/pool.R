# 进程池：一个函数，许多个值，几个进程同时计算

library(multiprocessing)

square <- function(x) {
  x * x
}

# Python 程序要把下面的代码放进 if __name__ == "__main__":，
# 因为新启动的工作进程要导入这个文件才能找到 square。
# 在 R 里，函数本身会送到工作进程，不会再读一遍这个文件，照常从上往下写即可。

pool <- Pool(5) # 五个等待任务的工作进程

# map()：每个值交给一个工作进程，结果按值的顺序返回
squares <- pool$map(square, 0:4)
cat(unlist(squares), fill = TRUE)

# 函数也可以来自另一个文件，而且可以在进程池启动之后才定义
source("fx.R")
squares <- pool$map(fx, 0:4)
cat(unlist(squares), fill = TRUE)

# imap()：顺序与 map() 相同，但一个一个地取；取前面的结果时，后面的还在计算
cat("imap, in order:\n")
results <- pool$imap(fx, 0:4)
while (results$has_next()) {
  cat(results$next_value(), fill = TRUE)
}

# imap_unordered()：谁先算完先取谁。这里最先交出去的任务用时最长
wait_and_tell <- function(seconds) {
  Sys.sleep(seconds)
  paste("slept for", seconds, "s")
}
cat("imap_unordered, as they finish:\n")
results <- pool$imap_unordered(wait_and_tell, c(1.5, 0.1, 0.8))
while (results$has_next()) {
  cat(results$next_value(), fill = TRUE)
}

pool$close() # 不再接受新任务
pool$join() # 等待所有工作进程退出
