# Large messages and results under SIGKILL at random moments: nothing stays unreachable, no space is lost.

data_bytes <- function() {
  gc()
  m <- memory_usage()
  sum(m$bytes[m$kind == "data"])
}

# Blocks of the dead are freed when the system says that they are gone
expect_given_back <- function(before, q) {
  while (!q$empty()) q$get()
  expect_true(wait_until(function() {
    heap_state()
    data_bytes() <= before
  }))
  expect_sound_heap()
}

test_that("producers of large messages are killed at any moment", {
  q <- Queue()
  small <- share(runif(1e5))
  before <- data_bytes()
  seen <- 0
  send <- function(q, small) {
    text <- sprintf("text %d", 1:30000)
    repeat {
      x <- runif(sample(c(1e5, 4e5), 1))
      for (i in 1:3) q$put(list(x, small, text))
      y <- q$get()
      y[[1]][1] <- 0
      q$put(y)
    }
  }
  for (round in seq_len(rounds(1000, 15))) {
    p <- Process(send, args = list(q, small))
    p$start()
    random_moment(0.1)
    kill_9(p$pid)
    p$join()
    taken <- 0
    while (!q$empty() && taken < 100) {
      x <- q$get()
      taken <- taken + 1
      seen <- seen + 1
      expect_true(identical(x[[2]], small) && length(x[[3]]) == 30000 && nchar(x[[3]][30000]) > 0)
      expect_true(all(x[[1]][-1] > 0)) # whole
    }
  }
  expect_gt(seen, 0)
  rm(x)
  expect_given_back(before, q)
})

test_that("workers with large results are killed at any moment, and every result is right or an error", {
  p <- local_pool(2)
  p$map(identity, 1:2)
  q <- Queue()
  before <- data_bytes()
  input <- lapply(1:6, function(i) rep(i + 0, 1e5))
  for (round in seq_len(rounds(1000, 12))) {
    # a pool whose workers die three times before they begin gives up
    begun <- unique(unlist(p$map(function(i) Sys.getpid(), 1:8, chunksize = 1L)))
    a <- p$map_async(function(x) x * 2, input, chunksize = 1L, on_error = "return")
    random_moment(0.02)
    kill_9(begun[sample.int(length(begun), 1)])
    r <- a$get()
    good <- vapply(seq_along(r), function(i) identical(r[[i]], rep(i * 2, 1e5)) || inherits(r[[i]], "WorkerDiedError"), TRUE)
    expect_true(all(good))
  }
  rm(r, a)
  expect_identical(p$map(identity, 1:2), list(1L, 2L)) # there are workers again
  p$terminate() # with what they had not collected yet
  expect_given_back(before, q)
})
