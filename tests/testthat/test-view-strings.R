# Long string vectors arrive as views that read a string when it is asked for.

through_queue <- function(x) {
  q <- Queue()
  q$put(x)
  q$get()
}

odd_text <- function(n = 30000L) {
  text <- c("", "a", "NA", NA, "\u00e9t\u00e9", "\u65e5\u672c", "latin\xe9", "\x01\xff", strrep("long ", 40))
  Encoding(text) <- c("unknown", "unknown", "unknown", "unknown", "UTF-8", "UTF-8", "latin1", "bytes", "unknown")
  c(rep_len(text, n), sprintf("n%d", seq_len(n)))
}

test_that("strings of every encoding come back the same", {
  local_views()
  x <- odd_text()
  y <- through_queue(x)
  expect_true(is_shared(y))
  expect_identical(length(y), length(x))
  expect_identical(Encoding(y[1:9]), Encoding(x[1:9]))
  expect_identical(y[40000], x[40000])
  expect_true(is_shared(y))
  expect_true(identical(y, x))
  expect_true(identical(serialize(y, NULL), serialize(x, NULL)))
  expect_identical(is.na(y), is.na(x))
})

test_that("writing into strings changes one reading alone, and what is sent on is changed", {
  local_views()
  x <- share(odd_text())
  q <- Queue()
  q$put(x)
  q$put(x)
  a <- q$get()
  b <- q$get()
  a[[3]] <- "changed"
  a[length(a)] <- NA
  expect_identical(a[c(2:4, length(a))], c("a", "changed", NA, NA))
  expect_true(identical(b, odd_text()))
  expect_true(identical(x, odd_text()))
  expect_false(is_shared(a))
  expect_true(is_shared(b))
  expect_true(identical(through_queue(a), a))
})

test_that("base R computes with string views as with ordinary vectors", {
  x <- odd_text(2000L)
  plain <- x[Encoding(x) != "bytes"]
  v <- share(plain)
  f <- function(g) expect_identical(g(v), g(plain))
  f(rev)
  f(unique)
  f(duplicated)
  f(function(x) order(x, method = "radix"))
  f(function(x) sort(x[1:500]))
  f(function(x) table(x))
  f(nchar)
  f(toupper)
  f(function(x) paste(x, "b"))
  f(function(x) match(c("n7", NA, "none"), x))
  f(function(x) x[c(1, NA, 5, 1e6)])
  f(factor)
  f(function(x) {
    x[5:6] <- c("p", NA)
    names(x) <- rev(x)
    x
  })
  f(function(x) startsWith(x, "n1"))
  f(function(x) data.frame(x, i = seq_along(x))[3:9, ])
  f(function(x) c(x, "end"))
  f(function(x) split(x, rep(1:2, length.out = length(x))))
  expect_identical(v, plain)
})

test_that("workers read their own strings alone", {
  local_views()
  p <- local_pool(2)
  x <- sprintf("value %06d of a long vector", 1:50000)
  expect_identical(p$map(nchar, x[1:20000], chunksize = 5000L)[c(1, 20000)], list(29L, 29L))
  expect_true(identical(unlist(p$map(identity, x, chunksize = 12500L)), x))
  s <- share(x)
  expect_identical(p$map(function(i, s) list(is_shared(s), s[i]), c(1, 50000), args = list(s)), list(list(TRUE, x[1]), list(TRUE, x[50000])))
  expect_true(identical(p$apply(function(s) rev(s), list(s)), rev(x)))
})

test_that("strings with attributes of their own travel on by reference until one is changed", {
  local_views()
  x <- share(sprintf("text %d", 1:1e5))
  ids <- function() { # of blocks that are larger than the parts of a queue
    usage <- memory_usage()
    usage$id[usage$kind == "data" & usage$bytes > 1.5e6]
  }
  before <- ids()
  q <- Queue()
  send <- function(value) {
    q$put(value)
    q$get()
  }
  for (read in c(FALSE, TRUE)) {
    y <- x
    attr(y, "origin") <- "elsewhere" # R wraps what has two names
    if (read) expect_identical(sum(nchar(y)), sum(nchar(sprintf("text %d", 1:1e5))))
    expect_true(is_shared(y))
    z <- send(y)
    expect_identical(setdiff(ids(), before), numeric())
    expect_identical(z, structure(sprintf("text %d", 1:1e5), origin = "elsewhere"))
    expect_null(attributes(x))
    y[7] <- "seven"
    expect_false(is_shared(y))
    expect_identical(send(y)[6:8], c("text 6", "seven", "text 8"))
    expect_identical(x[7], "text 7")
    rm(y, z)
    gc()
    before <- ids()
  }
})

test_that("a data frame with strings is shared and saved", {
  d <- data.frame(id = 1:20000, name = sprintf("name %d", 1:20000), g = factor(rep_len(c("p", "q"), 20000)))
  s <- share(d)
  expect_true(is_shared(s))
  expect_identical(s, d)
  expect_identical(s[s$id > 19998, ], d[d$id > 19998, ])
  expect_identical(aggregate(id ~ g, s, sum), aggregate(id ~ g, d, sum))
  expect_identical(merge(s[1:5, ], s[3:9, ], by = "name"), merge(d[1:5, ], d[3:9, ], by = "name"))
  file <- tempfile()
  on.exit(unlink(file))
  saveRDS(s, file)
  expect_identical(readRDS(file), d)
})

test_that("strings that arrive are ordinary, whatever their encoding, whole and in parts", {
  x <- odd_text()
  y <- through_queue(x)
  expect_false(is_shared(y))
  expect_true(identical(y, x))
  expect_identical(Encoding(y[1:9]), Encoding(x[1:9]))
  y[[3]] <- "changed"
  expect_true(identical(through_queue(y), y))
  p <- local_pool(2)
  expect_true(identical(unlist(p$map(identity, x[!is.na(x)], chunksize = 12500L)), x[!is.na(x)]))
  s <- share(x)
  expect_true(is_shared(s))
  expect_true(identical(p$apply(function(s) rev(s), list(s)), rev(x)))
})

test_that("what arrives is ordinary after the session once had very many processes, too", {
  multiprocessing:::take_all_slots(TRUE)
  multiprocessing:::take_all_slots(FALSE)
  x <- odd_text()
  expect_false(is_shared(through_queue(x)))
})
