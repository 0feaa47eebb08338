add <- function(x, y = 100) x + y

test_that("mcmapply gives what parallel's gives", {
  calls <- list(
    plain = function(p, ...) p$mcmapply(add, 1:5, 5:1, ...),
    `named input` = function(p, ...) p$mcmapply(add, c(a = 1, b = 2, c = 3), 1, ...),
    `names in second only` = function(p, ...) p$mcmapply(add, 1:3, c(a = 1, b = 2, c = 3), ...),
    `character input` = function(p, ...) p$mcmapply(nchar, c("one", "three"), ...),
    `without names` = function(p, ...) p$mcmapply(nchar, c("one", "three"), USE.NAMES = FALSE, ...),
    `shorter names` = function(p, ...) p$mcmapply(add, c(a = 1, b = 2), 1:4, ...),
    `named arguments` = function(p, ...) p$mcmapply(function(x, y) x / y, y = 1:4, x = 4:1, ...),
    `MoreArgs` = function(p, ...) p$mcmapply(function(x, y, z) x + y * z, 1:4, 4:1, MoreArgs = list(z = 10), ...),
    `matrix` = function(p, ...) p$mcmapply(function(x, y) c(x, y), 1:4, 4:1, ...),
    `ragged` = function(p, ...) p$mcmapply(rep, 1:4, 4:1, ...),
    `array` = function(p, ...) p$mcmapply(function(x) matrix(x, 2, 2), 1:3, SIMPLIFY = "array", ...),
    `not simplified` = function(p, ...) p$mcmapply(add, 1:3, 1:3, SIMPLIFY = FALSE, ...),
    `NULL results` = function(p, ...) p$mcmapply(function(x) if (x > 1) x, 1:3, ...),
    `only NULL` = function(p, ...) p$mcmapply(function(x) NULL, 1:3, ...),
    `dates` = function(p, ...) p$mcmapply(function(d) format(d), as.Date("2024-01-01") + 0:2, ...),
    `factors` = function(p, ...) p$mcmapply(function(f) levels(f), factor(c("u", "v")), SIMPLIFY = FALSE, ...),
    `lists` = function(p, ...) p$mcmapply(function(a, b) list(a, b), list(1, "a", NULL), list(2, NULL, 3), SIMPLIFY = FALSE, ...),
    `data frames` = function(p, ...) p$mcmapply(function(x) data.frame(x = x), 1:3, SIMPLIFY = FALSE, ...),
    `one element` = function(p, ...) p$mcmapply(add, 1, 2, ...),
    `no element` = function(p, ...) p$mcmapply(add, integer(), integer(), ...),
    `no character` = function(p, ...) p$mcmapply(nchar, character(), ...),
    `no input` = function(p, ...) p$mcmapply(add, ...),
    `mixed with empty` = function(p, ...) p$mcmapply(add, 1:3, integer(), ...),
    `recycled` = function(p, ...) quiet(p$mcmapply(add, 1:5, 1:2, ...)),
    `name of function` = function(p, ...) p$mcmapply("rep", 1:3, 3:1, ...),
    `call` = function(p, ...) p$mcmapply(function(x, y) deparse(sys.call()[-1]), 1:3, y = 3:1, ...)
  )
  for (name in names(calls)) {
    for (cores in core_counts()) {
      for (preschedule in c(TRUE, FALSE)) {
        expect_parity(
          function(p) calls[[name]](p, mc.cores = cores, mc.preschedule = preschedule),
          label = sprintf("%s, cores = %d, preschedule = %s", name, cores, preschedule)
        )
      }
    }
  }
})

test_that("mcmapply without parallel processes is mapply", {
  expect_identical(mcmapply(add, c(a = 1, b = 2), 3:4, mc.cores = 2), mapply(add, c(a = 1, b = 2), 3:4))
  expect_error(mcmapply(add, 1:3, integer()), "Zero-length", class = "ValueError")
})

test_that("results that are single numbers simplify as base R does, whatever else is among them", {
  mixed <- list(1L, 2.5, TRUE, NA, "a", NULL, raw(1), 3i, NaN, list(1), c(x = 1), as.Date("2024-01-01"), factor("u"), 1:2, list(), quote(x))
  all_same <- list(rep(list(2), 8), rep(list(2L), 8), rep(list(NA), 8), as.list(as.raw(1:8)), rep(list(1i), 8), rep(list("s"), 8))
  set.seed(7)
  some <- c(all_same, lapply(1:40, function(k) mixed[sample(length(mixed), sample(c(1, 2, 16), 1))][c(1, sample.int(2, 7, TRUE))]))
  labels <- list(NULL, letters[1:8], c("a", NA, "", "a", "b", "c", "d", "e"))
  for (values in some) {
    values <- lapply(seq_along(values), function(i) values[[i]])
    use <- function(i) values[[i]]
    for (names in labels) for (simplify in list(TRUE, "array", FALSE)) {
      index <- stats::setNames(seq_along(values), names)
      expected <- mapply(use, index, SIMPLIFY = simplify)
      expect_identical(mcmapply(use, index, SIMPLIFY = simplify, mc.cores = 2, mc.preschedule = length(names) == 8L), expected)
    }
  }
})

test_that("a long result is one vector that the workers wrote", {
  n <- 5e5
  res <- mcmapply(function(i, by) i * by, seq_len(n), 2, mc.cores = 2)
  expect_identical(res, seq_len(n) * 2)
  expect_identical(mcmapply(function(i) if (i == n) "last" else i, seq_len(n), mc.cores = 2), c(as.character(seq_len(n - 1)), "last"))
})

test_that("workers that die while they write their results in place lose one element each", {
  res <- quiet(mcmapply(function(i) if (i %in% c(2, 7)) kill_9(Sys.getpid()) else i + 0.5, 1:12, mc.cores = 2))
  expect_identical(res[-c(2, 7)], as.list(setdiff(1:12, c(2, 7)) + 0.5))
  expect_s3_class(attr(res[[7]], "condition"), "WorkerDiedError")
  marks <- tempfile(c("a", "b"))
  once <- function(i) {
    if (i <= 2 && !file.exists(marks[[i]])) {
      file.create(marks[[i]])
      kill_9(Sys.getpid())
    }
    i * 2L
  }
  expect_identical(mcmapply(once, 1:12, mc.cores = 2, mc.retry = 1), 1:12 * 2L)
})

broken <- function(x, y) if (x == 2) stop("two") else x + y

broken_always <- function(x, y) stop("all")

test_that("an element that fails is one try-error and the result stays a list", {
  expect_parity(function(p) p$mcmapply(broken_always, c(a = 1, b = 2), 1, mc.cores = 2))
  expect_parity(function(p) p$mcmapply(broken, 1:2, 1, mc.cores = 2, mc.preschedule = FALSE))
  for (preschedule in c(TRUE, FALSE)) {
    res <- quiet(mcmapply(broken, c(a = 1, b = 2, c = 3, d = 4), 10, mc.cores = 2, mc.preschedule = preschedule))
    expect_named(res, c("a", "b", "c", "d"))
    expect_identical(res[-2], list(a = 11, c = 13, d = 14))
    expect_s3_class(res$b, "try-error")
    expect_identical(conditionMessage(attr(res$b, "condition")), "two")
  }
})

test_that("a dead worker costs one element of mcmapply", {
  res <- quiet(mcmapply(function(x) if (x == 3) tools::pskill(Sys.getpid(), 9L) else x, 1:6, mc.cores = 2))
  expect_identical(res[-3], as.list(c(1L, 2L, 4L, 5L, 6L)))
  expect_s3_class(attr(res[[3]], "condition"), "WorkerDiedError")
})

test_that("mcMap gives what parallel's gives", {
  expect_parity(function(p) p$mcMap(function(x, y) x:y, 1:3, 3:1))
  expect_parity(function(p) p$mcMap(function(x, y) x:y, c(a = 1, b = 2), 5, mc.cores = 2))
  expect_parity(function(p) p$mcMap("rep", 1:3, 3:1, mc.cores = 1))
  expect_parity(function(p) p$mcMap(function(x) NULL, 1:3))
  expect_parity(function(p) p$mcMap(nchar, c("a", "bb")))
  expect_parity(function(p) p$mcMap(broken_always, 1:2, 1))
  expect_identical(mcMap(`+`, 1:3, 4:6), Map(`+`, 1:3, 4:6))
})

test_that("random numbers of mcmapply and mcMap are parallel's", {
  for (preschedule in c(TRUE, FALSE)) {
    for (set_seed in c(TRUE, FALSE)) {
      expect_parity(
        function(p) {
          p$mcmapply(function(x, y) rnorm(1), 1:5, 5:1, mc.cores = 2, mc.preschedule = preschedule, mc.set.seed = set_seed)
        },
        kind = "L'Ecuyer-CMRG"
      )
    }
  }
  expect_parity(function(p) p$mcMap(function(x) runif(2), 1:5), kind = "L'Ecuyer-CMRG")
})
test_that("single numbers of one type come as one vector, others as a list", {
  apply_it <- function(FUN, X = 1:200) {
    multiprocessing:::mc_apply(
      X, FUN,
      mc.preschedule = TRUE, mc.set.seed = TRUE, mc.silent = FALSE, mc.cores = 2L, mc.cleanup = TRUE, mc.allow.recursive = TRUE,
      affinity.list = NULL, mc.progress = FALSE, mc.retry = 0L, mc.seed = NULL, mc.stop.on.error = FALSE, one_vector = TRUE
    )
  }
  expect_identical(apply_it(function(i) i + 0.5), 1:200 + 0.5)
  expect_identical(apply_it(function(i) if (i == 3L) NA_integer_ else -i), c(-1L, -2L, NA, -(4:200)))
  expect_identical(apply_it(function(i) if (i == 3L) NA else i > 5L), c(FALSE, FALSE, NA, 4:200 > 5))
  expect_identical(apply_it(function(i) if (i == 200L) "x" else i), c(as.list(1:199), "x"))
  expect_identical(apply_it(function(i) if (i > 100L) i else i / 2), c(as.list(1:100 / 2), as.list(101:200)))
  expect_identical(apply_it(function(i) c(a = i)), lapply(1:200, function(i) c(a = i)))
})

