# 放在单独文件里的函数，pool.R 用 source() 读取它

fx <- function(x) {
  x * x
}
