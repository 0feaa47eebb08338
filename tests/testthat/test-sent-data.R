# Large data in the environments of functions: they travel once to a pool, and the user's own stay as they are.

data_blocks <- function() { # larger than what a frame of this file's functions takes
  usage <- memory_usage()
  usage[usage$kind == "data" & usage$bytes > 1e6, c("id", "bytes")]
}

# Blocks that are there now and were not when `before` was taken
new_blocks <- function(before) {
  usage <- data_blocks()
  usage <- usage[!usage$id %in% before$id, ]
  row.names(usage) <- NULL
  usage
}

# A function's own environment, with nothing else in it
closure <- function(f, ...) {
  environment(f) <- list2env(list(...), parent = baseenv())
  f
}

test_that("a second job with the same 50 MB in a closure copies nothing", {
  pool <- local_pool(2)
  pool$map(identity, 1:2)
  before <- data_blocks()
  x <- rev(as.numeric(6.25e6:1))
  run <- closure(function(big) pool$map(function(i) sum(big[i]), 1:8), pool = pool)
  expect_identical(run(x), as.list(as.numeric(1:8)))
  first <- new_blocks(before)
  expect_identical(nrow(first), 1L)
  expect_gt(first$bytes, 50e6 - 1)
  expect_identical(run(x), as.list(as.numeric(1:8)))
  expect_identical(run(x + 0), as.list(as.numeric(1:8))) # equal, and another object
  expect_identical(new_blocks(before), first)
  expect_false(is_shared(x))
})

test_that("workers have it as a view, wherever it lies", {
  local_views()
  pool <- local_pool(1)
  large <- list(
    double = runif(1e5), integer = sample.int(1e5), logical = rep_len(c(TRUE, NA, FALSE), 1e5),
    complex = complex(real = runif(5e4), imaginary = 1), raw = as.raw(rep_len(0:255, 3e5))
  )
  large$frame <- data.frame(x = runif(1e5), y = factor(rep_len(letters, 1e5)), z = rep_len(letters, 1e5))
  large$matrix <- matrix(runif(1e5), 100, dimnames = list(NULL, sprintf("c%d", 1:1000)))
  environment <- structure(list2env(list(field = large$double, deep = list(list(large$integer)))), class = "thing")
  attr(environment, "note") <- large$raw
  environment$self <- environment
  lockBinding("field", environment)
  holder <- methods::setClass("mp_holder", slots = c(data = "numeric"), where = globalenv())
  on.exit(methods::removeClass("mp_holder", where = globalenv()), add = TRUE)
  f <- closure(function() list(large, environment, object), large = large, environment = environment, object = holder(data = large$double))
  got <- pool$apply(f)
  expect_identical(got[[1]], large)
  expect_identical(mget(c("field", "deep"), got[[2]]), mget(c("field", "deep"), environment))
  expect_identical(got[[2]]$self, got[[2]])
  expect_identical(attributes(got[[2]]), attributes(environment))
  expect_true(bindingIsLocked("field", got[[2]]))
  expect_identical(got[[3]]@data, large$double)
  shared <- pool$apply(closure(function(is_shared) {
    c(is_shared(unclass(large$double)), is_shared(large$raw), is_shared(large$matrix), is_shared(large$frame$y), is_shared(environment$deep[[1]][[1]]))
  }, large = large, environment = environment), list(is_shared))
  expect_identical(shared, rep(TRUE, 5))
})

test_that("what was changed in place travels anew", {
  skip_if_not_installed("data.table")
  pool <- local_pool(2)
  d <- data.table::data.table(a = as.numeric(1:1e5), b = 0)
  f <- closure(function(i) d$a[i], d = d)
  expect_identical(pool$map(f, 5:6), list(5, 6))
  data.table::set(d, i = 5L, j = "a", value = -1)
  expect_identical(pool$map(f, 5:6), list(-1, 6))
  data.table::set(d, i = 5L, j = "a", value = 5)
  expect_identical(pool$map(f, 5:6), list(5, 6))
})

test_that("minus zero and the payloads of NaN are other data", {
  pool <- local_pool(1)
  f <- function(x) pool$apply(closure(function() 1 / x[1], x = x))
  expect_identical(f(numeric(1e5)), Inf)
  expect_identical(f(-numeric(1e5)), -Inf)
  g <- function(x) pool$apply(closure(function() x[1], x = x))
  expect_identical(is.nan(g(rep(NaN, 1e5))), TRUE)
  expect_identical(is.nan(g(rep(NA_real_, 1e5))), FALSE)
})

test_that("the same bytes as another type or with other attributes are what they are", {
  pool <- local_pool(1)
  f <- function(x) pool$apply(closure(function() x, x = x))
  x <- rep_len(c(0L, 1L), 1e5)
  for (y in list(x, as.logical(x), matrix(x, 10), structure(x, names = seq_along(x)), factor(x))) expect_identical(f(y), y)
})

test_that("a worker that changes its data changes no other worker's", {
  pool <- local_pool(2)
  big <- as.numeric(1:1e5)
  change <- function(i) {
    big[i] <- -1
    c(sum(big < 0), big[i])
  }
  grow <- function(i) {
    big[i] <<- -1
    Sys.getpid()
  }
  expect_identical(pool$map(change, 1:8), rep(list(c(1, -1)), 8))
  pool$map(grow, 1:8)
  expect_identical(big, as.numeric(1:1e5))
  expect_identical(pool$map(function(i) sum(big < 0), 1:8), rep(list(0L), 8))
})

test_that("the user's environment is left alone", {
  pool <- local_pool(1)
  env <- new.env(parent = baseenv())
  env$big <- runif(1e5)
  env$compact <- 1:1e6
  reads <- 0
  makeActiveBinding("active", function() reads <<- reads + 1, env)
  lockEnvironment(env, bindings = TRUE)
  reader <- eval(quote(function() big), env)
  f <- eval(quote(function(i) big[i]), env)
  for (i in 1:2) expect_identical(pool$map(f, 3), list(env$big[3]))
  expect_false(is_shared(reader()))
  expect_identical(reads, 0)
  expect_true(all(vapply(c("big", "compact", "active"), bindingIsLocked, TRUE, env)))
  expect_identical(ls(env), c("active", "big", "compact"))
})

test_that("arguments and variables of the global environment travel once, too", {
  pool <- local_pool(1)
  x <- runif(2e5)
  words <- paste("word", 1:1e5)
  assign("mp_words", words, globalenv())
  on.exit(rm("mp_words", envir = globalenv()), add = TRUE)
  f <- function(i, x) x[i]
  use <- eval(quote(function(i) mp_words[i]), globalenv())
  environment(use) <- globalenv()
  before <- data_blocks()
  expect_identical(pool$map(f, 1:2, args = list(x)), as.list(x[1:2]))
  expect_identical(pool$map(use, 1:2), as.list(words[1:2]))
  blocks <- new_blocks(before)
  expect_identical(nrow(blocks), 2L)
  expect_identical(pool$map(f, 1:2, args = list(x)), as.list(x[1:2]))
  expect_identical(pool$map(use, 1:2), as.list(words[1:2]))
  expect_identical(new_blocks(before), blocks)
})

test_that("a pool that is closed keeps nothing", {
  pool <- local_pool(2)
  before <- data_blocks()
  big <- runif(1e6)
  pool$map(closure(function(i) big[i], big = big), 1:2)
  expect_identical(nrow(new_blocks(before)), 1L)
  pool$close()
  pool$join()
  expect_identical(nrow(new_blocks(before)), 0L)
  again <- local_pool(2)
  again$map(closure(function(i) big[i], big = big), 1:2)
  expect_identical(nrow(new_blocks(before)), 1L)
  again$terminate()
  expect_identical(nrow(new_blocks(before)), 0L)
})

test_that("a worker that comes later does not keep what the pool gives up", {
  pool <- local_pool(1)
  other <- local_pool(1)
  before <- data_blocks()
  pool$map(closure(function(i) big[i], big = runif(1e6)), 1:2)
  worker <- other$apply(Sys.getpid)
  kill_9(worker)
  expect_true(wait_until(function() !other$status()$pid %in% c(NA, worker)))
  pool$terminate()
  expect_true(wait_until(function() nrow(new_blocks(before)) == 0L)) # the new one is about to begin
  expect_identical(other$apply(identity, list(1)), 1)
})

test_that("memory pressure takes what no job needs", {
  skip_if(Sys.which("bash") == "")
  script <- tempfile(fileext = ".R")
  on.exit(unlink(script))
  writeLines(c(sprintf(".libPaths(c(%s, .libPaths()))", deparse1(package_library())), '
    library(multiprocessing)
    p <- Pool(1)
    run <- function(x) p$map(function(i) x[i], 1:2)
    for (k in 1:12) run(numeric(12.5e6) + k)
    usage <- memory_usage()
    cat("kept", sum(usage$bytes[usage$kind == "data"]) >= 100e6, "\n")
    x <- share(rep(1, 25e6))
    cat("shared", length(x), "\n")
    rm(x)
    cat("again", unlist(run(numeric(12.5e6) + 7)), "\n")
    p$terminate()
  '), script)
  command <- sprintf("ulimit -f %d; exec %s --vanilla %s 2>&1", 400 * 1024, file.path(R.home("bin"), "Rscript"), script)
  out <- suppressWarnings(system2("bash", c("-c", shQuote(command)), stdout = TRUE))
  expect_identical(out, c("kept TRUE ", "shared 25000000 ", "again 7 7 "))
})

test_that("what the pool keeps of earlier jobs is limited", {
  skip_if_not(soaking(), "make soak")
  pool <- local_pool(1)
  before <- sum(data_blocks()$bytes)
  for (k in 1:40) pool$map(closure(function(i) x[i], x = numeric(12.5e6) + k), 1:2)
  expect_lt(sum(data_blocks()$bytes) - before, 1.5e9)
})

test_that("a vector with more than 2^31-1 elements travels in a closure", {
  skip_if_not(soaking(), "make soak")
  pool <- local_pool(1)
  x <- raw(2^31 + 10)
  x[length(x)] <- as.raw(7)
  f <- closure(function(i) list(length(x), x[length(x)]), x = x)
  for (i in 1:2) expect_identical(pool$map(f, 1), list(list(2^31 + 10, as.raw(7))))
})

test_that("an argument that was not evaluated yet is evaluated before it travels", {
  pool <- local_pool(1)
  pool$map(identity, 1)
  assign("mp_only_here", 41, globalenv())
  on.exit(rm("mp_only_here", envir = globalenv()), add = TRUE)
  call_it <- function(expr) eval(expr, globalenv())
  run <- function(x, unused) pool$map(function(i) x + i, 1)
  dots <- function(...) pool$map(function(i) sum(i, ...), 1)
  assign("mp_run", run, globalenv())
  assign("mp_dots", dots, globalenv())
  on.exit(rm("mp_run", "mp_dots", envir = globalenv()), add = TRUE)
  expect_identical(call_it(quote(mp_run(mp_only_here))), list(42))
  expect_identical(call_it(quote(mp_run(mp_only_here, stop("not used")))), list(42))
  expect_identical(call_it(quote(mp_dots(mp_only_here, 1))), list(43))
  expect_error(suppressWarnings(call_it(quote(mp_run(stop("no value"))))), "no value")
})

test_that("local functions that a function uses bring their global variables", {
  pool <- local_pool(1)
  pool$map(identity, 1)
  assign("mp_rate", 2, globalenv())
  on.exit(rm("mp_rate", envir = globalenv()), add = TRUE)
  run <- function() {
    even <- function(n) if (n == 0) mp_rate else odd(n - 1)
    odd <- function(n) if (n == 0) 0 else even(n - 1)
    pool$map(function(n) even(n), 0:3)
  }
  environment(run) <- list2env(list(pool = pool), parent = globalenv())
  expect_identical(run(), list(2, 0, 2, 0))
})

test_that("the heap is sound after all of this", {
  expect_sound_heap()
})

test_that("two long compiled functions in one value keep each their own bytecode", {
  skip_on_cran() # compiling them takes seconds
  long <- function(operator) {
    f <- function(x) NULL
    step <- call("<-", quote(x), call(operator, quote(x), 1))
    body(f) <- as.call(c(list(as.name("{")), rep(list(step), 8000), list(quote(x))))
    environment(f) <- globalenv()
    compiler::cmpfun(f)
  }
  both <- list(long("+"), long("-"))
  q <- Queue()
  q$put(both)
  # The vector of the first one's code, which R makes to write it, is collected before the second one's is made.
  on.exit(gctorture(FALSE))
  gctorture2(2000)
  q$put(both)
  gctorture(FALSE)
  for (i in 1:2) {
    back <- q$get(timeout = 5)
    expect_identical(c(back[[1]](0), back[[2]](0)), c(8000, -8000))
  }
})
