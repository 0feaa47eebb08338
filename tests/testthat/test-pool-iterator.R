test_that("imap gives the results one by one, in order, and StopIteration at the end", {
  pool <- local_pool(2)
  it <- pool$imap(function(x) x^2, 0:3)
  expect_true(it$has_next())
  expect_identical(vapply(1:4, function(i) it$next_value(), 1), c(0, 1, 4, 9))
  expect_false(it$has_next())
  expect_classed_error(it$next_value(), "StopIteration")
  expect_classed_error(it$next_value(timeout = 0), "StopIteration")
  expect_output(print(it), "in order")
})

test_that("imap_unordered gives first what is done first", {
  pool <- local_pool(2)
  gate <- Queue()
  it <- pool$imap_unordered(function(i) {
    if (i == 1) gate$get()
    i
  }, 1:4)
  expect_identical(sort(vapply(1:3, function(k) it$next_value(), 1L)), 2:4)
  gate$put("go")
  expect_identical(it$next_value(), 1L)
  expect_false(it$has_next())
})

test_that("imap waits for its next element although later ones are done, and honours a timeout", {
  pool <- local_pool(2)
  gate <- Queue()
  it <- pool$imap(function(i) if (i == 1) gate$get() else i, 1:3)
  expect_classed_error(it$next_value(timeout = 0.05), "TimeoutError")
  gate$put("first")
  expect_identical(as.list(it), list("first", 2L, 3L))
})

test_that("chunksize changes how elements travel, not what comes back", {
  pool <- local_pool(2)
  for (chunksize in c(1, 3, 100)) {
    expect_identical(as.list(pool$imap(function(x) x + 1, 1:10, chunksize)), as.list(1:10 + 1))
    expect_setequal(unlist(as.list(pool$imap_unordered(function(x) x + 1, 1:10, chunksize))), 1:10 + 1)
  }
})

test_that("an element that fails gives its error in its place, and the iterator continues", {
  pool <- local_pool(2)
  it <- pool$imap(function(i) if (i == 2) stop("two") else i, 1:3)
  expect_identical(it$next_value(), 1L)
  e <- expect_classed_error(it$next_value(), "TaskError", "two")
  expect_identical(e$index, 2L)
  expect_identical(it$next_value(), 3L)
  left <- 1:3
  source <- function() {
    if (!length(left)) stop("StopIteration")
    one <- left[1]
    left <<- left[-1]
    one
  }
  lazy <- pool$imap(function(i) if (i == 2) stop("two") else i, source)
  expect_identical(lazy$next_value(), 1L)
  e <- expect_classed_error(lazy$next_value(), "TaskError")
  expect_identical(e$index, 2L)
  expect_identical(lazy$next_value(), 3L)
})

test_that("a worker that dies costs its element, and the iterator continues", {
  pool <- local_pool(2)
  it <- pool$imap(function(i) if (i == 3) tools::pskill(Sys.getpid(), tools::SIGKILL) else i, 1:6)
  got <- lapply(1:6, function(k) tryCatch(it$next_value(20), WorkerDiedError = function(e) c(e$index, e$signal)))
  expect_identical(got, list(1L, 2L, c(3L, 9L), 4L, 5L, 6L))
})

test_that("a lazy source is a function that signals StopIteration, pulled a bounded way ahead", {
  pool <- local_pool(2)
  pulled <- 0
  source <- function() {
    if (pulled == 100) stop("StopIteration")
    pulled <<- pulled + 1
    pulled
  }
  it <- pool$imap(function(x) x * 10, source)
  expect_identical(it$next_value(), 10)
  expect_lte(pulled, 10)
  expect_identical(unlist(as.list(it)), 2:100 * 10)
  expect_identical(pulled, 100)
  expect_false(it$has_next())
})

test_that("a lazy source may never end", {
  pool <- local_pool(2)
  i <- 0
  it <- pool$imap_unordered(function(x) x, function() i <<- i + 1)
  expect_setequal(vapply(1:50, function(k) it$next_value(20), 1) %in% 1:60, TRUE)
  rm(it)
  gc()
  expect_identical(pool$map(identity, 1:2), list(1L, 2L))
})

test_that("a source that fails passes its error on", {
  pool <- local_pool(1)
  expect_error(as.list(pool$imap(identity, function() stop("source is broken"))), "source is broken")
  expect_identical(pool$map(identity, 1), list(1))
})

test_that("iterators of package iterators go in, and nextElem() works on ours", {
  skip_if_not_installed("iterators")
  pool <- local_pool(2)
  expect_identical(as.list(pool$imap(sqrt, iterators::iter(c(1, 4, 9)))), list(1, 2, 3))
  expect_identical(as.list(pool$imap(identity, iterators::iter(list("a", NULL, "c")))), list("a", NULL, "c"))
  it <- pool$imap(sqrt, c(1, 4))
  expect_identical(iterators::nextElem(it), 1)
  expect_identical(iterators::nextElem(it), 2)
  expect_error(iterators::nextElem(it), "StopIteration")
})

test_that("an iterator is a lazy source of another pool: a pipeline", {
  a <- local_pool(1)
  b <- local_pool(1)
  expect_identical(as.list(b$imap(function(x) x + 1, a$imap(function(x) x * 2, 1:10))), as.list(1:10 * 2 + 1))
})

test_that("map refuses a lazy source and says what to do", {
  pool <- local_pool(1)
  expect_classed_error(pool$map(identity, function() 1), "ValueError", "imap")
})

test_that("NULL results are elements like others", {
  pool <- local_pool(2)
  it <- pool$imap(function(i) NULL, 1:3)
  expect_identical(as.list(it), list(NULL, NULL, NULL))
})

test_that("iterators that are given up leave nothing behind", {
  pool <- local_pool(2)
  pool$map(identity, 1:2)
  before <- heap_blocks()
  for (k in 1:20) pool$imap(function(i) i, 1:20)$next_value()
  expect_true(wait_until(function() {
    pool$map(identity, 1)
    heap_blocks() <= before + 1
  }))
})

test_that("the heap is sound after all of this", {
  expect_sound_heap()
})

count_to <- function(n, then = function() stop("StopIteration")) {
  k <- 0
  function() if (k < n) (k <<- k + 1) else then()
}

test_that("what came before a source failed is given first, then its error, then the end", {
  pool <- local_pool(2)
  for (chunksize in 1:2) {
    it <- pool$imap(function(x) x * 10, count_to(3, function() stop("no element 4")), chunksize = chunksize)
    for (k in 1:3) {
      expect_true(it$has_next())
      expect_identical(it$next_value(), k * 10)
    }
    expect_true(it$has_next())
    expect_error(it$next_value(), "no element 4", fixed = TRUE)
    expect_false(it$has_next())
    expect_classed_error(it$next_value(), "StopIteration")
  }
  it <- pool$imap(identity, function() stop("at once"))
  expect_error(it$next_value(), "at once")
  expect_false(it$has_next())
})

test_that("a lazy iterator that began before $close() gives all of its values", {
  for (join in c(FALSE, TRUE)) {
    pool <- local_pool(2)
    it <- pool$imap(function(x) x * 10, count_to(50))
    other <- pool$imap_unordered(function(x) x, count_to(20))
    expect_identical(other$has_next(), TRUE)
    pool$close()
    expect_classed_error(pool$map(identity, 1:2), "ValueError", "closed")
    expect_classed_error(pool$apply(identity, list(1)), "ValueError", "closed")
    expect_classed_error(pool$imap(identity, 1:2), "ValueError", "closed")
    expect_classed_error(pool$imap(identity, count_to(2)), "ValueError", "closed")
    if (join) expect_true(pool$join(timeout = 60))
    expect_identical(as.list(it), as.list(1:50 * 10))
    expect_setequal(unlist(as.list(other)), 1:20)
    expect_true(pool$join(timeout = 60))
  }
})

test_that("a lazy iterator that is dropped keeps no closed pool from its end", {
  pool <- local_pool(1)
  pool$imap(identity, count_to(100))$next_value()
  pool$close()
  gc()
  expect_true(pool$join(timeout = 60))
})
