# 管道：两个进程互相对话

library(multiprocessing)

# 管道有两端，从一端发送的内容在另一端接收
talk_first <- function(end) {
  end$send("hello")
  cat("proc1 rec: ", end$recv(), "\n", sep = "")
}

answer <- function(end) {
  # recv() 一直等到有内容到达
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
