# L'Ecuyer stream i of a seed, as parallel counts them
streams_of <- function(seed, n) {
  keep_generator()
  set.seed(seed, "L'Ecuyer-CMRG", "Inversion", "Rejection")
  states <- list(.Random.seed)
  for (i in seq_len(n)[-1]) states[[i]] <- parallel::nextRNGStream(states[[i - 1]])
  states
}

drawn_from <- function(states, draw) {
  keep_generator()
  lapply(states, function(state) {
    assign(".Random.seed", state, globalenv())
    draw()
  })
}

draw <- function(i) c(stats::rnorm(2), stats::runif(1), sample(100, 1), stats::rexp(1))

test_that("with a seed, element i draws from L'Ecuyer stream i, as parallel::nextRNGStream counts them", {
  pool <- local_pool(2)
  got <- pool$map(draw, 1:20, seed = 42)
  expect_identical(got, drawn_from(streams_of(42, 20), draw))
})

test_that("the numbers do not depend on workers, chunks, or the way they are asked for", {
  reference <- with(p <- Pool(1), p$map(draw, 1:15, seed = 7))
  for (workers in 1:2) {
    pool <- Pool(workers)
    for (chunksize in list(NULL, 1, 4, 15)) expect_identical(pool$map(draw, 1:15, chunksize, seed = 7), reference)
    expect_identical(pool$map_async(draw, 1:15, seed = 7)$get(), reference)
    pool$terminate()
  }
  with(p <- Pool(2, seed = 7), {
    expect_identical(p$map(draw, 1:15), reference)
    expect_identical(as.list(p$imap(draw, 1:15)), reference)
    expect_identical(p$map(draw, 1:15, seed = 8)[[1]] == reference[[1]], rep(FALSE, 5))
  })
})

test_that("a retried element draws the same numbers", {
  place <- tempfile()
  dies_once <- function(i) {
    x <- stats::rnorm(1)
    if (i == 3 && !file.exists(place)) {
      file.create(place)
      tools::pskill(Sys.getpid(), 9L)
    }
    x
  }
  pool <- local_pool(2)
  got <- pool$map(dies_once, 1:6, seed = 1, retries = 1)
  expect_true(file.exists(place))
  expect_identical(got, drawn_from(streams_of(1, 6), function() stats::rnorm(1)))
})

test_that("a task that draws much does not shift the others", {
  pool <- local_pool(1)
  got <- pool$map(function(i) stats::runif(if (i == 1) 1e4 else 1)[1], 1:3, seed = 5, template = numeric(1))
  expect_identical(got, unlist(drawn_from(streams_of(5, 3), function() stats::runif(1))))
})

test_that("a seed leaves this session's random state and generator alone", {
  keep_generator()
  set.seed(1)
  before <- .Random.seed
  pool <- local_pool(2, seed = 3)
  pool$map(draw, 1:4)
  pool$map(draw, 1:4, seed = 4)
  expect_identical(.Random.seed, before)
})

test_that("the parent's generator has no influence on seeded numbers", {
  keep_generator()
  pool <- local_pool(2)
  suppressWarnings(RNGkind("Wichmann-Hill", "Box-Muller", "Rounding"))
  a <- pool$map(draw, 1:4, seed = 11)
  late <- Pool(2)
  b <- late$map(draw, 1:4, seed = 11)
  late$terminate()
  RNGkind("default", "default", "default")
  expect_identical(a, pool$map(draw, 1:4, seed = 11))
  expect_identical(a, b)
})

test_that("without a seed workers draw different numbers, and again different ones", {
  pool <- local_pool(2)
  one <- pool$map(function(i) stats::runif(1), 1:40, chunksize = 1, template = numeric(1))
  two <- pool$map(function(i) stats::runif(1), 1:40, chunksize = 1, template = numeric(1))
  expect_length(unique(c(one, two)), 80)
})

test_that("a whole number is a seed, nothing else", {
  pool <- local_pool(1)
  for (bad in list("a", 1.5, NA, 1:2, Inf)) expect_classed_error(pool$map(draw, 1, seed = bad), "ValueError", "seed")
  expect_identical(pool$map(draw, 1, seed = -5), drawn_from(streams_of(-5, 1), draw))
})

test_that("the heap is sound after all of this", {
  expect_sound_heap()
})
