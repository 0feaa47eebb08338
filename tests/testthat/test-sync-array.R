codes <- c("double", "integer", "logical", "raw", "complex", "d", "f", "b", "B", "h", "H", "i", "I", "l", "L", "q", "Q", "c")

# Some numbers of each type, at its limits
some_of <- function(code) {
  switch(code,
    logical = c(TRUE, NA, FALSE),
    raw = , c = as.raw(c(0, 7, 255)),
    complex = c(1+2i, -1i, 0),
    double = , d = c(pi, -Inf, NA),
    f = c(0.5, -2, 2^20),
    b = c(-128L, 0L, 127L),
    B = c(0L, 1L, 255L),
    h = c(-32768L, 5L, 32767L),
    H = c(0L, 5L, 65535L),
    I = c(0, 5, 4294967295),
    l = , q = c(-2^53, 5, 2^53),
    L = , Q = c(0, 5, 2^63),
    c(-.Machine$integer.max, NA, .Machine$integer.max)
  )
}

test_that("what a child writes into a value or an array of any type its parent sees, with and without a lock", {
  for (method in c("fork", "spawn")) {
    objects <- lapply(codes, function(code) {
      x <- some_of(code)
      list(x = x, a = Array(code, 3), b = Array(code, rev(x), lock = FALSE), v = Value(code, x[1]), w = Value(code, x[1], lock = FALSE))
    })
    p <- Process(function(objects) {
      for (o in objects) {
        o$a[] <- o$x
        for (i in 1:3) o$b[i] <- o$x[i]
        o$v$value <- o$x[3]
        o$w$value <- o$x[3]
      }
      vapply(objects, function(o) identical(o$b[], o$x), TRUE)
    }, list(objects), context = method)$start()
    expect_true(all(p$value(60)))
    for (o in objects) {
      expect_identical(o$a[], o$x)
      expect_identical(o$b[1:3], o$x)
      expect_identical(o$v$value, o$x[3])
      expect_identical(o$w$value, o$x[3])
    }
  }
})

test_that("with() of a value or an array holds its lock, and releases it whatever happens inside", {
  v <- Value("integer", 0)
  a <- Array("double", 2)
  for (shared in list(v, a)) {
    held <- with(shared, shared$get_lock()$locked())
    expect_true(held)
    expect_error(with(shared, stop("no")), "no")
    expect_false(shared$get_lock()$locked())
    expect_true(shared$acquire())
    expect_true(shared$acquire(block = FALSE)) # an RLock
    shared$release()
    shared$release()
    expect_classed_error(shared$release(), "ValueError", "not held")
    expect_classed_error(with(shared), "ValueError", "expr")
  }
  ps <- lapply(1:2, function(i) {
    Process(function() for (k in 1:300) with(v, {
      v$value <- v$value + 1L
      with(a, a[i] <- a[i] + v$get())
    }))$start()
  })
  for (p in ps) p$join()
  expect_identical(v$get(), 600L)
  expect_identical(sum(a[]), sum(as.numeric(1:600)))
  v$set(7)
  expect_identical(v$value, 7L)
  expect_classed_error(v$set("x"), "ValueError")
  expect_classed_error(v$set(), "ValueError", "value")
  for (plain in list(Value("i", 5, lock = FALSE), Array("i", 3, lock = FALSE))) {
    expect_classed_error(with(plain, 1), "ValueError", "no lock")
    expect_classed_error(plain$acquire(), "ValueError", "no lock")
    expect_classed_error(plain$get_lock(), "ValueError", "no lock")
  }
})

test_that("an array of a size is zero, even in memory that was used before", {
  for (k in 1:20) {
    a <- Array("B", 20000)
    expect_true(all(a[] == 0))
    a[] <- 255L
    rm(a)
    gc()
  }
  expect_identical(Array("integer", 0)[], integer())
  expect_identical(Array("d", list(1, 2))[], c(1, 2))
})

test_that("an array is indexed as a vector of R", {
  x <- c(5, 3, 9, 1, 7)
  a <- Array("double", x)
  for (i in list(1, 2L, c(1, 1, 5), -1, -c(2, 3), c(TRUE, FALSE), TRUE, 2:4, 0, integer(), c(0, 2), x > 4)) {
    expect_identical(a[i], x[i])
  }
  expect_identical(a[[3]], 9)
  expect_length(a, 5)
  expect_null(dim(a))
  for (i in list(6, NA, c(1, NA), -7:1, rep(TRUE, 6))) expect_classed_error(a[i], "IndexError")
  expect_classed_error(a["a"], "IndexError")
  expect_classed_error(a[1, 2], "IndexError", "1 dimensions")
  expect_classed_error(a[[1:2]], "IndexError")
  expect_identical(as.vector(a), x)
})

test_that("an array is written as a vector of R, in place", {
  x <- as.numeric(1:6)
  a <- Array("double", x)
  for (set in list(
    function(v) `[<-`(v, 2, value = 20), function(v) `[<-`(v, -1, value = 7), function(v) `[<-`(v, c(TRUE, FALSE), value = c(8, 9, 10)),
    function(v) `[<-`(v, 2:4, value = 1), function(v) `[[<-`(v, 6, value = 66), function(v) `[<-`(v, integer(), value = 1)
  )) {
    x <- set(x)
    expect_identical(set(a), a)
    expect_identical(a[seq_along(x)], x)
  }
  a[] <- 0
  expect_identical(a[], rep(0, 6))
  expect_classed_error(a[1:3] <- 1:2, "ValueError", "multiple")
  expect_classed_error(a[7] <- 1, "IndexError")
  expect_classed_error(a[c(1, 7)] <- 1, "IndexError")
  expect_identical(a[], rep(0, 6))
})

test_that("matrices and arrays of more dimensions are indexed as in R", {
  m <- matrix(as.numeric(1:12), 3)
  a <- Array("double", m)
  expect_identical(dim(a), c(3L, 4L))
  expect_identical(a[], m)
  expect_identical(a[2, 3], m[2, 3])
  expect_identical(a[2, ], m[2, ])
  expect_identical(a[, -1], m[, -1])
  expect_identical(a[1:2, c(TRUE, FALSE)], m[1:2, c(TRUE, FALSE)])
  expect_identical(a[2, , drop = FALSE], m[2, , drop = FALSE])
  expect_identical(a[5], m[5])
  expect_identical(a[[3, 2]], m[[3, 2]])
  expect_identical(a[cbind(c(1, 3), c(2, 4))], m[cbind(c(1, 3), c(2, 4))])
  a[2, ] <- 0
  m[2, ] <- 0
  a[, 2:3] <- 1:6
  m[, 2:3] <- 1:6
  k <- 4
  a[[1, k]] <- 99
  m[[1, k]] <- 99
  expect_identical(a[], m)
  expect_classed_error(a[4, 1], "IndexError")
  expect_classed_error(a[1, 1, 1], "IndexError")
  x <- array(1:24, c(2, 3, 4))
  b <- Array("integer", 1:24, dim = c(2, 3, 4))
  expect_identical(b[2, , 3], x[2, , 3])
  b[, 2, ] <- 0L
  x[, 2, ] <- 0L
  expect_identical(b[], x)
  expect_classed_error(Array("d", 5, dim = c(2, 3)), "ValueError", "dim")
  expect_identical(dim(Array("d", dim = c(2, 3))), c(2L, 3L))
})

test_that("reading a whole array copies nothing: it is a window, until it is changed", {
  a <- Array("double", 2^20)
  before <- sum(gc()[, 2])
  w <- a[]
  expect_lt(sum(gc()[, 2]) - before, 2)
  Process(function() a[5] <- 42)$start()$join()
  expect_identical(w[5], 42)
  v <- w
  v[5] <- 1
  expect_identical(c(w[5], a[5], v[5]), c(42, 42, 1))
  a[6] <- 6
  expect_identical(c(w[6], v[6]), c(6, 0))
  expect_identical(sum(w), 48)
  # it travels as what it holds then
  q <- Queue()
  q$put(w)
  a[7] <- 7
  expect_identical(q$get()[5:7], c(42, 6, 0))
  expect_identical(unserialize(serialize(w, NULL))[5:7], c(42, 6, 7))
  rm(a)
  gc()
  expect_identical(w[5], 42) # the memory lives as long as the window
})

test_that("a number that the type does not hold is refused, and nothing is written", {
  a <- Array("integer", 1:3)
  expect_classed_error(a[2:3] <- c(9, 1.5), "ValueError", "element 2 is 1.5")
  expect_classed_error(a[1] <- 3e9, "ValueError")
  expect_classed_error(a[1] <- "1", "ValueError", "character")
  expect_identical(a[], 1:3)
  bytes <- Array("b", 2)
  for (bad in list(128, -129, NA, NaN, 0.5)) expect_classed_error(bytes[1] <- bad, "ValueError")
  expect_classed_error(Value("H", -1), "ValueError", "65535")
  expect_classed_error(Value("zz"), "ValueError", "typecode")
  expect_classed_error(Value(5), "ValueError", "typecode")
  expect_classed_error(Value("d", 1:2), "ValueError", "one number")
  expect_classed_error(Array("d", -1), "ValueError", "size")
  expect_classed_error(Array("d"), "ValueError", "missing")
  expect_classed_error(Value("d", lock = "yes"), "ValueError", "lock")
})

test_that("with() on its lock makes a change as one step", {
  for (lock in list(TRUE, Lock(), RLock())) {
    counter <- Value("integer", 0, lock = lock)
    n <- rounds(5000, 300)
    ps <- lapply(1:3, function(i) {
      Process(function() for (k in seq_len(n)) with(counter$get_lock(), counter$value <- counter$value + 1L))$start()
    })
    for (p in ps) p$join()
    expect_identical(counter$value, as.integer(3 * n))
  }
  expect_classed_error(Value("d", lock = FALSE)$get_lock(), "ValueError", "no lock")
  lock <- Lock()
  a <- Array("d", 2, lock = lock)
  b <- Array("d", 2, lock = lock)
  with(a$get_lock(), {
    expect_true(lock$locked())
    b[1] <- a[1] + 1
  })
  expect_identical(b[1], 1)
})

test_that("a slice that is written with the lock is read whole", {
  a <- Array("double", 1000)
  p <- Process(function() repeat for (k in 1:9) a[] <- k)$start()
  expect_true(wait_until(function() a[1] > 0))
  expect_true(all(vapply(1:rounds(5000, 300), function(i) length(unique(as.vector(a))) == 1L, TRUE)))
  p$kill()
  p$join()
  suppressWarnings(a[] <- 0) # it may have held the lock
  expect_identical(a[1000], 0)
})

test_that("values and arrays travel, and say what they are", {
  a <- Array("integer", 1:100)
  v <- Value("double", 2.5)
  q <- Queue()
  q$put(list(a, v))
  got <- q$get()
  got[[1]][1] <- 7L
  got[[2]]$value <- 3
  expect_identical(a[1:2], c(7L, 2L))
  expect_identical(v$value, 3)
  expect_output(print(a), "^<Array #\\d+, integer \\[100\\]: 7 2 3 4 5 6 \\.\\.\\.>")
  expect_output(print(v), "^<Value #\\d+, double: 3>")
  expect_output(print(Array("d", dim = c(2, 2))), "[2 x 2]: 0 0 0 0>", fixed = TRUE)
})

test_that("thousands of arrays of random sizes leave nothing", {
  heap_blocks()
  before <- heap_blocks()
  kept <- list()
  for (k in seq_len(rounds(5000, 1000))) {
    kept[[sample(50, 1)]] <- Array("b", sample(c(1, 100, 5000, 100000), 1), lock = FALSE)
    if (k %% 100 == 0) kept[sample(50, 25)] <- list(NULL)
  }
  rm(kept)
  expect_identical(heap_blocks(), before)
  expect_sound_heap()
})
