# share(), is_shared(), memory_usage(); and what base R makes of shared vectors.

ordinary <- function(x) unserialize(serialize(x, NULL))

data_blocks <- function() {
  m <- memory_usage()
  m[m$kind == "data", ]
}

test_that("a shared value is identical to the value, whatever it is", {
  values <- list(
    1:10, c(a = 1.5, b = NA), as.raw(0:255), c(TRUE, NA), 1i, "text", letters, NULL, list(), character(),
    matrix(as.numeric(1:1e5), 100), data.frame(x = as.numeric(1:1e4), y = rep(letters[1:4], 2500), z = factor(rep(1:2, 5000))),
    list(a = runif(1e4), b = list(c = 1:1e5, d = "e")), Sys.time(), ts(as.numeric(1:5000), frequency = 12)
  )
  for (x in values) expect_identical(share(x), x)
})

test_that("is_shared() is TRUE for what share() made, and FALSE for everything else", {
  expect_true(is_shared(share(1:3)))
  expect_true(is_shared(share(list(runif(1e4), "small", 1))))
  expect_true(is_shared(share(data.frame(x = runif(1e4), y = 1:1e4))))
  for (x in list(1, 1:1e6, runif(1e5), NULL, "a", list(), list(1), sum, globalenv())) expect_false(is_shared(x))
  x <- share(runif(1e5))
  x[1] <- 0
  expect_false(is_shared(x))
  expect_false(is_shared(list(share(runif(1e4)), runif(1e4))))
  expect_false(is_shared(share(runif(1e5)) + 1))
})

test_that("a sequence that R keeps as three numbers is shared as a vector", {
  x <- share(1:2000000)
  expect_true(is_shared(x))
  expect_identical(x[c(1, 2e6)], c(1L, 2000000L))
  y <- share(list(as.numeric(1:2000000), "a"))
  expect_true(is_shared(y))
  expect_identical(y[[1]][2e6], 2e6)
})

test_that("what cannot be shared is an error that says why", {
  expect_classed_error(share(list(1, function(x) x)), "ValueError", "plain values")
  expect_classed_error(share(globalenv()), "ValueError", "plain values")
})

test_that("a shared value travels as a reference to everywhere, also within functions", {
  local_views()
  x <- share(runif(1e6))
  p <- local_pool(2)
  large <- function() { # earlier values may be collected meanwhile
    usage <- memory_usage()
    usage$id[usage$bytes > 7e6]
  }
  before <- large()
  expect_identical(p$map(function(i, x) list(is_shared(x), sum(x)), 1:2, args = list(x)), rep(list(list(TRUE, sum(x))), 2))
  expect_identical(p$map(function(i) list(is_shared(x), sum(x)), 1:2), rep(list(list(TRUE, sum(x))), 2))
  q <- Queue()
  q$put(list(1, x, x))
  y <- q$get()
  expect_true(is_shared(y))
  process <- Process(function(x) x, args = list(x))
  process$start()
  z <- process$value()
  expect_true(is_shared(z))
  expect_identical(z, x)
  expect_identical(setdiff(large(), before), numeric()) # one block all the time
})

test_that("a value outlives its sender", {
  q <- Queue()
  process <- Process(function(q) {
    x <- runif(1e6)
    set.seed(1)
    y <- share(runif(1e6))
    q$put(x)
    q$put(y)
    rm(x, y)
    gc()
    NULL
  }, args = list(q))
  process$start()
  process$join()
  expect_identical(process$exitcode, 0L)
  expect_identical(length(q$get()), 1000000L)
  x <- q$get()
  rm(q)
  gc()
  expect_identical(x, {
    set.seed(1)
    runif(1e6)
  })
})

test_that("memory_usage() shows the blocks, which processes have them, and which made them", {
  gc()
  memory_usage()
  before <- memory_usage()
  x <- share(numeric(1e6))
  m <- memory_usage()
  new <- m[!m$id %in% before$id, ]
  expect_identical(new$kind, "data")
  expect_gte(new$bytes, 8e6)
  expect_identical(new$holders[[1]], Sys.getpid())
  expect_identical(new$creator, Sys.getpid())
  expect_identical(new$references, 0L)
  q <- Queue()
  q$put(x)
  m <- memory_usage()
  expect_identical(m$references[m$id == new$id], 1L)
  rm(x)
  gc()
  m <- memory_usage()
  expect_identical(m$holders[[which(m$id == new$id)]], integer())
  expect_identical(length(q$get()), 1000000L)
  gc()
  expect_false(new$id %in% memory_usage()$id)
  rm(q)
})

test_that("base R computes with views as with ordinary vectors", {
  set.seed(3)
  n <- 40000L
  values <- list(
    integer = sample(c(NA, -50:50), n, TRUE), double = sample(c(NA, NaN, Inf, round(rnorm(200), 2)), n, TRUE),
    logical = sample(c(TRUE, FALSE, NA), n, TRUE), complex = sample(c(NA, 1i, 2 + 1i), n, TRUE),
    raw = as.raw(sample(0:255, n, TRUE))
  )
  for (x in values) {
    v <- share(x)
    f <- function(g) expect_identical(g(v), g(ordinary(x)))
    f(identity)
    f(function(x) x[c(5, 3, NA, n + 1L)])
    f(function(x) x[-(1:10)])
    f(function(x) x[[7]])
    f(rev)
    f(duplicated)
    f(unique)
    f(function(x) match(x, x[1:100]))
    if (!is.raw(x)) f(function(x) table(x))
    f(function(x) head(x, 100))
    f(function(x) c(x, x[1:3]))
    f(is.na)
    f(as.character)
    f(function(x) as.list(x)[1:20])
    f(function(x) split(x, rep(1:4, length.out = n)))
    f(function(x) tapply(seq_along(x), as.character(x), length))
    f(function(x) rle(x[!is.na(x)]))
    if (!is.raw(x)) f(function(x) ifelse(is.na(x), x[1], x))
    f(function(x) vapply(x[1:50], identical, TRUE, x[[1]]))
    f(function(x) {
      x[3:5] <- x[1]
      x[n + 2L] <- x[2]
      x
    })
    f(function(x) {
      names(x) <- seq_along(x)
      x[c("2", "9")]
    })
    f(function(x) {
      length(x) <- 10
      x
    })
    f(function(x) {
      attr(x, "a") <- 1
      attributes(x)
    })
    f(function(x) {
      dim(x) <- c(200L, 200L)
      t(x)[3, ]
    })
    if (!is.raw(x)) {
      f(sum)
      f(function(x) x + x)
      f(function(x) x == x[1])
    }
    if (!is.raw(x) && !is.complex(x)) {
      f(order)
      f(sort)
      f(range)
      f(function(x) sum(x, na.rm = TRUE))
      f(function(x) mean(x, na.rm = TRUE))
      f(function(x) max(x, na.rm = TRUE))
      f(function(x) cumsum(x[!is.na(x)]))
      f(function(x) quantile(as.numeric(x), na.rm = TRUE))
      f(function(x) which(x > 0))
      f(function(x) factor(x))
      f(function(x) data.frame(x, y = 1)[order(x), ][1:50, ])
    }
    expect_identical(v, x) # nothing of this changed it
  }
  m <- matrix(rnorm(90000), 300)
  s <- share(m)
  expect_identical(s %*% s, m %*% m)
  expect_identical(crossprod(s), crossprod(m))
  expect_identical(solve(s, s[, 1]), solve(m, m[, 1]))
  expect_identical(apply(s, 1, sum), apply(m, 1, sum))
  expect_identical(rowSums(s), rowSums(m))
  expect_identical(s, m)
})

test_that("a saved view is an ordinary vector in another R, also without the package", {
  file <- tempfile(fileext = ".rds")
  image <- tempfile(fileext = ".rda")
  script <- tempfile(fileext = ".R")
  on.exit(unlink(c(file, image, script)))
  x <- share(list(a = as.numeric(1:1e5), b = 1:1e5))
  saveRDS(x, file)
  save(x, file = image)
  expect_identical(readRDS(file), list(a = as.numeric(1:1e5), b = 1:1e5))
  expect_false(is_shared(readRDS(file)))
  expect_true(identical(serialize(x, NULL), serialize(list(a = 1:1e5 + 0, b = 1:1e5 + 0L), NULL)))
  writeLines(sprintf(
    'y <- readRDS(%s); load(%s); cat(identical(x, y), sum(y$a), sum(y$b), loadedNamespaces() %%in%% "multiprocessing")',
    deparse(file), deparse(image)
  ), script)
  out <- system2(file.path(R.home("bin"), "Rscript"), c("--vanilla", script), stdout = TRUE, env = "R_LIBS=")
  expect_match(out, "^TRUE 5000050000 5000050000 FALSE")
})

test_that("a wrapper that R put around a view does not hide what was written", {
  x <- share(as.numeric(1:1e5))
  wrapped <- x
  attr(wrapped, "a") <- 1 # R wraps the view
  wrapped[2] <- -1
  expect_identical(x[2], 2)
  expect_false(is_shared(wrapped))
  q <- Queue()
  q$put(wrapped)
  q$put(x)
  expect_identical(q$get()[1:3], c(1, -1, 3))
  expect_identical(q$get()[1:3], c(1, 2, 3))
})

test_that("a forked child's views stay what they are when the parent drops its own", {
  x <- share(rep(3, 1e6))
  q <- Queue()
  go <- Queue()
  process <- Process(function(q, go) {
    go$get()
    x[5] <- 4
    q$put(c(sum(x), is_shared(x)))
  }, args = list(q, go))
  process$start()
  rm(x)
  gc()
  memory_usage()
  y <- share(rep(9, 1e6)) # would lie where x lay
  go$put(TRUE)
  expect_identical(q$get(timeout = 20), c(3e6 + 1, 0))
  process$join()
  expect_identical(sum(y), 9e6)
  job <- parallel::mcparallel({
    y[1] <- 0
    sum(y)
  })
  expect_identical(parallel::mccollect(job)[[1]], 9e6 - 9)
  expect_identical(sum(y), 9e6)
})
