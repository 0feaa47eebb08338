# A function in a file of its own. pool.R reads this file with source().

fx <- function(x) {
  x * x
}
