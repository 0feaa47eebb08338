test_that("pvec gives what parallel's gives", {
  vectors <- list(
    1:10, 1:3, 1:2, 1L, c(a = 1, b = 4, c = 9), c(a = 1, b = 4), letters, list(1, "a", NULL, 4), as.raw(1:5), c(TRUE, NA, FALSE)
  )
  functions <- list(identity, function(v) rev(v), function(v) NULL, function(v) length(v), function(v) names(v))
  for (v in vectors) {
    for (k in seq_along(functions)) {
      for (cores in core_counts()) {
        expect_parity(
          function(p) p$pvec(v, functions[[k]], mc.cores = cores),
          label = sprintf("%s, function %d, cores = %d", deparse(v)[1], k, cores)
        )
      }
    }
  }
})

test_that("FUN may be a name", {
  expect_parity(function(p) p$pvec(1:9, "sqrt", mc.cores = 2))
  expect_identical(pvec(1:9, "sqrt", mc.cores = 1), sqrt(1:9))
})

test_that("pieces are as even as can be and in order, as in parallel", {
  for (n in c(2, 3, 5, 8, 11, 100)) {
    expect_parity(function(p) p$pvec(seq_len(n), function(v) list(v), mc.cores = 2))
  }
  expect_identical(neighbouring_pieces(1:11, 3L), list(1:4, 5:8, 9:11))
  expect_identical(neighbouring_pieces(1:6, 3L), list(1:2, 3:4, 5:6))
})

test_that("further arguments, silence and random numbers are parallel's", {
  expect_parity(function(p) p$pvec(1:9, function(v, a, b) v * a + b, 2, b = 1, mc.cores = 2))
  expect_parity(function(p) p$pvec(1:9, sqrt, mc.cores = 2, mc.silent = TRUE))
  for (set_seed in c(TRUE, FALSE)) {
    expect_parity(
      function(p) p$pvec(1:9, function(v) rnorm(length(v)), mc.cores = 2, mc.set.seed = set_seed),
      kind = "L'Ecuyer-CMRG"
    )
  }
})

test_that("an error is folded into the result with a warning, as in parallel", {
  expect_parity(function(p) p$pvec(1:6, function(v) stop("bad"), mc.cores = 2))
  expect_parity(function(p) p$pvec(1:6, function(v) if (v[1] == 1) v else stop("bad"), mc.cores = 2))
  expect_parity(function(p) p$pvec(1:6, function(v) stop("bad"), mc.cores = 1))
  expect_parity(function(p) p$pvec(1:2, function(v) stop("bad"), mc.cores = 2))
})

test_that("what is not a vector is an error with parallel's text", {
  expect_parity(function(p) p$pvec(factor("a"), identity))
  expect_parity(function(p) p$pvec(matrix(1:4, 2), identity))
  expect_error(pvec(factor("a"), identity), class = "ValueError")
})

test_that("an empty vector is handed to FUN", {
  expect_identical(pvec(numeric(), sqrt, mc.cores = 2), numeric())
})

test_that("a dead worker stops pvec rather than make it shorter", {
  expect_error(
    pvec(1:10, function(v) if (v[1] == 1) tools::pskill(Sys.getpid(), 9L) else v, mc.cores = 2),
    class = "WorkerDiedError"
  )
  expect_identical(pvec(1:10, identity, mc.cores = 2), 1:10)
})
