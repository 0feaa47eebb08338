# Large vectors arrive as views of shared memory; nothing that R does shows that they are not ordinary.

big <- function(type, n = 1e5) {
  x <- switch(type,
    logical = rep_len(c(TRUE, NA, FALSE), n),
    integer = rep_len(c(3L, NA, -7L, 1L), n),
    double = rep_len(c(1.5, NA, NaN, -Inf, 0), n),
    complex = rep_len(c(1 + 2i, NA, -0.5i), n),
    raw = rep_len(as.raw(c(1, 0, 255)), n)
  )
  if (type == "raw") rep_len(x, 4 * n) else x
}
types <- c("logical", "integer", "double", "complex", "raw")

other_value <- list(logical = NA, integer = 42L, double = 42, complex = 4 + 2i, raw = as.raw(42))

through_queue <- function(x) {
  q <- Queue()
  q$put(x)
  q$get()
}

# A copy that shares nothing with `x`
ordinary <- function(x) unserialize(serialize(x, NULL))

test_that("a large vector of every type arrives as a view with the same elements", {
  for (type in types) {
    x <- big(type)
    y <- through_queue(x)
    expect_true(is_shared(y), label = type)
    expect_false(is_shared(x), label = type)
    expect_identical(y, x)
    expect_identical(y[c(1, 7, length(y))], x[c(1, 7, length(x))])
  }
})

test_that("two readings of one message are independent of each other and of the sender", {
  for (type in types) {
    x <- share(big(type))
    q <- Queue()
    q$put(x)
    q$put(x)
    a <- q$get()
    b <- q$get()
    n <- length(x)
    for (i in c(1L, n %/% 2L, n)) a[i] <- other_value[[type]]
    expect_identical(a[n], other_value[[type]])
    expect_identical(b, big(type))
    expect_identical(x, big(type))
    expect_false(is_shared(a))
    expect_true(is_shared(b))
    expect_true(is_shared(x))
  }
})

test_that("a worker that writes into a view changes nobody else's data, while four do it at once", {
  p <- local_pool(4)
  x <- lapply(types, function(type) share(big(type)))
  overwrite <- function(k, x, values) {
    for (j in seq_along(x)) {
      x[[j]][] <- values[[j]]
      stopifnot(all(x[[j]] %in% values[[j]]))
    }
    vapply(x, length, 1)
  }
  counts <- p$map(overwrite, 1:8, args = list(x, unname(other_value)), chunksize = 1L)
  expect_identical(unique(counts), list(vapply(x, length, 1)))
  for (j in seq_along(types)) expect_identical(x[[j]], big(types[[j]]))
})

test_that("a view that was changed in place and is sent on arrives changed", {
  for (type in types) {
    x <- through_queue(big(type))
    expected <- big(type)
    x[2] <- expected[2] <- other_value[[type]]
    y <- through_queue(x)
    expect_identical(y, expected)
    y[length(y)] <- other_value[[type]] # and once more
    expected[length(y)] <- other_value[[type]]
    expect_identical(through_queue(y), expected)
  }
})

test_that("dim, names, class and other attributes keep it a view", {
  x <- through_queue(as.numeric(1:1e5))
  dim(x) <- c(100, 1000)
  expect_true(is_shared(x))
  expect_identical(x[3, 2], 103)
  y <- through_queue(x)
  expect_true(is_shared(y))
  expect_identical(y, matrix(as.numeric(1:1e5), 100))
  dim(x) <- NULL
  class(x) <- "something"
  attr(x, "unit") <- "m"
  expect_true(is_shared(x))
  expect_identical(attributes(through_queue(x)), list(class = "something", unit = "m"))
  kept <- share(as.numeric(1:1e5)) # now with a second name for the same vector
  copy <- kept
  dim(copy) <- c(1000, 100)
  expect_true(is_shared(copy))
  expect_null(dim(kept))
  named <- kept
  names(named) <- as.character(1:1e5)
  expect_true(is_shared(named))
  expect_null(names(kept))
  expect_identical(named[["77"]], 77)
})

test_that("a view that compiled code changed in place is sent on changed", {
  skip_if_not_installed("data.table")
  d <- data.table::data.table(a = as.numeric(1:1e5), b = rep_len(c("x", "y"), 1e5))
  x <- through_queue(d)
  expect_true(is_shared(x$a))
  data.table::set(x, i = 5L, j = "a", value = -1)
  expect_false(is_shared(x$a))
  expect_identical(through_queue(x)$a[4:6], c(4, -1, 6))
  y <- through_queue(d)
  expect_identical(y$a[5], 5)
  group <- function(y) y[, list(n = length(a), m = mean(a)), by = "b"]$m
  environment(group) <- list2env(list(.datatable.aware = TRUE), parent = asNamespace("data.table"))
  expect_identical(group(y), c(50000, 50001))
  data.table::setorderv(y, "a", -1L)
  expect_identical(through_queue(y)$a[1:2], c(1e5, 99999))
})

test_that("views hold while R collects at every allocation", {
  step <- rounds(3L, 100L)
  values <- c(lapply(types, big), list(sprintf("t%d", 1:30000)))
  q <- Queue()
  trip <- function(x) {
    q$put(list(x, x))
    y <- q$get()
    a <- y[[1]]
    a[2] <- x[1]
    q$put(a)
    d <- q$get()
    s <- share(y[[2]])
    q$put(function() s)
    f <- q$get()
    c(
      identical(d[1:5], a[1:5]), identical(s[30000], x[30000]), identical(f()[3], x[3]), is_shared(f()),
      identical(unserialize(serialize(s[1:10], NULL)), x[1:10])
    )
  }
  trip(values[[1]])
  on.exit(gctorture(FALSE))
  for (x in values) {
    gctorture2(step)
    good <- trip(x)
    gctorture(FALSE)
    expect_identical(good, rep(TRUE, 5))
  }
})
