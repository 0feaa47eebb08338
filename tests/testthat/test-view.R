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
  local_views()
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
  local_views()
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

test_that("a worker that writes into a view changes no other worker's data, while four do it at once", {
  local_views()
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
  local_views()
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
  local_views()
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
  local_views()
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
  local_views()
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
  on.exit(gctorture(FALSE), add = TRUE)
  for (x in values) {
    gctorture2(step)
    good <- trip(x)
    gctorture(FALSE)
    expect_identical(good, rep(TRUE, 5))
  }
})

# Unless they are views, large vectors are ordinary ones: R's memory shows the block's pages, or has a copy.

test_that("a large vector of every type arrives as an ordinary one with the same elements", {
  for (type in types) {
    for (n in c(1e5, 3e6)) {
      x <- big(type, n)
      y <- through_queue(x)
      expect_true(identical(y, x), label = type)
      # R's serializer writes what an ordinary vector has
      expect_true(identical(serialize(y[1:1000], NULL), serialize(x[1:1000], NULL)))
      y[c(1, length(y))] <- other_value[[type]]
      expect_identical(y[length(y)], other_value[[type]])
      expect_true(identical(x, big(type, n)))
      expect_true(identical(through_queue(y), y))
    }
  }
})

test_that("readings of one message are independent, whichever pages they show", {
  for (type in types) {
    x <- share(big(type, 3e6))
    q <- Queue()
    readings <- lapply(1:3, function(i) {
      q$put(x)
      q$get()
    })
    n <- length(x)
    for (i in c(1L, 600L, n %/% 2L, n)) readings[[1]][i] <- other_value[[type]]
    expect_identical(readings[[1]][n], other_value[[type]])
    for (r in readings[-1]) expect_true(identical(r, big(type, 3e6)))
    expect_true(identical(x, big(type, 3e6)))
  }
})

test_that("data of more than 64 MB are in shared memory once, and stay there when they are sent on", {
  skip_if_not(file.exists("/proc/self/pagemap"), "the system does not tell which pages were written")
  x <- share(as.numeric(1:9e6)) # 72 MB
  expect_true(is_shared(x))
  count <- function() sum(memory_usage()$bytes > 6e7)
  before <- count()
  p <- local_pool(2)
  q <- Queue()
  got <- p$map(function(i, x) {
    q$put(x)
    c(is_shared(x), sum(x[1:10]))
  }, 1:2, args = list(x))
  expect_identical(got, list(c(1, 55), c(1, 55)))
  for (i in 1:2) {
    y <- q$get()
    expect_true(is_shared(y))
    expect_identical(y[c(1, 9e6)], c(1, 9e6))
  }
  expect_identical(count(), before)
  y[2] <- 0
  expect_false(is_shared(y))
  expect_identical(x[2], 2)
})

test_that("what arrives is ordinary though R has freed memory that it would fit in", {
  is_ordinary <- function(x) is.null(.Internal(altrep_class(x)))
  x <- numeric(4e6) # 32 MB: once such a vector was freed, malloc() keeps smaller ones in its heap
  rm(x)
  gc()
  # 224 MB that are free, and used memory above them
  vectors <- c(lapply(1:8, function(i) numeric(3.5e6)), lapply(1:20, function(i) numeric(1e6)))
  vectors[1:8] <- list(NULL)
  gc()
  for (n in c(integer = 18e6, complex = 4.5e6)) { # 72 MB
    x <- if (n > 1e7) rep(1:2, n / 2) else rep(1i, n)
    y <- through_queue(x)
    expect_true(is_ordinary(y))
    expect_true(is_shared(y)) # and shows the pages of the message
    expect_true(identical(y, x))
    y[n] <- y[1]
    expect_false(is_shared(y))
  }
  strings <- rep(sprintf("word %d", 1:1000), 5000) # 85 MB in a message
  expect_true(is_ordinary(through_queue(strings)))
})

test_that("a large vector arrives where the process has addresses for it once, and not twice", {
  skip_if(!nzchar(Sys.which("prlimit")))
  received <- in_background_r(function() {
    limit <- function(bytes) system(sprintf("prlimit --pid %d --as=%s:", Sys.getpid(), format(bytes, scientific = FALSE)))
    q <- Queue()
    q$put(numeric(25e6)) # 200 MB
    gc()
    used <- as.numeric(gsub("\\D", "", grep("^VmSize", readLines("/proc/self/status"), value = TRUE))) * 1024
    limit(round(used + 300e6))
    x <- q$get()
    c(length(x), sum(x), is.null(.Internal(altrep_class(x))), is_shared(x))
  })
  expect_identical(received, c(25e6, 0, 1, 1))
})

test_that("a vector is received where only memory that R has freed is left", {
  skip_if(!nzchar(Sys.which("prlimit")))
  out <- in_fresh_r(c(
    "library(multiprocessing)", "x <- numeric(4e6)", "rm(x)", "invisible(gc())", "q <- Queue()", "q$put(rep(1:2, 9e6))",
    "vectors <- c(lapply(1:8, function(i) numeric(3.5e6)), lapply(1:20, function(i) numeric(1e6)))",
    "vectors[1:8] <- list(NULL)", "invisible(gc())",
    "size <- as.numeric(sub('\\\\D*(\\\\d+).*', '\\\\1', grep('VmSize', readLines('/proc/self/status'), value = TRUE)))",
    "system(sprintf('prlimit --pid=%d --as=%.0f:', Sys.getpid(), (size + 30000) * 1024))",
    "cat(sum(q$get()), fill = TRUE)"
  ))
  expect_identical(out[length(out)], "27000000")
})

test_that("vectors that show pages hold while R collects at every allocation, and give them back", {
  before <- heap_state()$blocks
  q <- Queue()
  values <- lapply(types, big)
  on.exit(gctorture(FALSE))
  for (x in values) {
    gctorture2(rounds(3L, 200L))
    q$put(list(x, x))
    y <- q$get()
    y[[1]][2] <- x[1]
    q$put(y)
    z <- q$get()
    good <- identical(z[[1]][1:5], y[[1]][1:5]) && identical(z[[2]], x)
    gctorture(FALSE)
    expect_true(good)
  }
  rm(x, y, z, q)
  gc()
  expect_true(wait_until(function() heap_state()$blocks <= before))
})

test_that("an address that R uses again is not taken for the vector that was there", {
  q <- Queue()
  for (i in seq_len(rounds(2000, 50))) {
    q$put(numeric(5e6) + i)
    y <- q$get()
    stopifnot(y[5e6] == i)
    rm(y)
    if (i %% 3 == 0) gc(full = FALSE)
    other <- numeric(5e6) # zeros, maybe where `y` was
    q$put(other)
    z <- q$get()
    if (any(z[c(1, 600, 5e6)] != 0)) break
  }
  expect_identical(z[c(1, 600, 5e6)], c(0, 0, 0))
  expect_identical(i, as.integer(rounds(2000, 50)))
})

test_that("a fork keeps what it shows when its parent frees it", {
  q <- Queue()
  q$put(rep(3, 5e6))
  x <- q$get()
  go <- Queue()
  process <- Process(function() {
    go$get()
    x[5] <- 4
    sum(x)
  })
  process$start()
  rm(x)
  gc()
  q$put(rep(9, 5e6)) # would lie where x lay
  y <- q$get()
  go$put(TRUE)
  expect_identical(process$value(timeout = 60), 3 * 5e6 + 1)
  expect_identical(sum(y), 9 * 5e6)
})

test_that("parts of a view are those of an ordinary vector, whatever the index is", {
  local_views()
  for (type in types) {
    x <- big(type)
    y <- through_queue(x)
    expect_true(is_shared(y), label = type)
    n <- length(x)
    indices <- list(
      10:5e4, c(1, NA, 7), c(NA, n, n + 1L, 3L), c(0L, 2L), c(n + 0.7, 1.9), -1L, -(5:n), n:1, integer(), seq(1, n, by = 600),
      rep_len(c(TRUE, NA, FALSE), n), c(1e10, 2)
    )
    for (index in indices) expect_identical(y[index], x[index], label = paste(type, "by", deparse1(utils::head(index, 3))))
    expect_identical(rev(y), rev(x))
    expect_identical(utils::head(y, -3), utils::head(x, -3))
  }
})

test_that("a view converts to other types as an ordinary vector does, with its attributes", {
  local_views()
  for (type in types) {
    x <- big(type)
    y <- through_queue(x)
    for (to in c("logical", "integer", "double", "complex", "character", "list", "raw")) {
      expect_identical(suppressWarnings(as.vector(y, to)), suppressWarnings(as.vector(x, to)), label = paste(type, "as", to))
    }
    m <- matrix(x[1:80000], 200)
    v <- through_queue(m)
    if (type != "complex") storage.mode(v) <- storage.mode(m) <- "double"
    expect_identical(v, m)
  }
})
