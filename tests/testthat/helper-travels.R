# What the tests of what travels to a worker share.

# A function as a script defines it: its environment is the global one
in_global <- function(f) {
  environment(f) <- globalenv()
  f
}

each_pool <- function(check, ...) {
  for (method in c("fork", "spawn")) {
    pool <- Pool(1, context = method, ...)
    check(pool, method)
    pool$terminate()
  }
}
