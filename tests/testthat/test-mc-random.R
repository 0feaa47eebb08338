draw <- function(i) c(runif(1), rnorm(1), sample.int(1000L, 1L))

test_that("L'Ecuyer streams are parallel's, prescheduled and not, for any number of cores", {
  for (cores in core_counts()) {
    for (n in c(0, 1, 2, 3, 7, 12)) {
      for (preschedule in c(TRUE, FALSE)) {
        for (set_seed in c(TRUE, FALSE)) {
          expect_parity(
            function(p) {
              p$mc.reset.stream()
              p$mclapply(seq_len(n), draw, mc.cores = cores, mc.preschedule = preschedule, mc.set.seed = set_seed)
            },
            kind = "L'Ecuyer-CMRG",
            label = sprintf("cores = %d, n = %d, preschedule = %s, set_seed = %s", cores, n, preschedule, set_seed)
          )
        }
      }
    }
  }
})

test_that("mc.set.seed = FALSE continues the caller's state with every generator", {
  for (kind in c("Mersenne-Twister", "Wichmann-Hill", "Super-Duper", "L'Ecuyer-CMRG")) {
    for (preschedule in c(TRUE, FALSE)) {
      expect_parity(
        function(p) p$mclapply(1:5, draw, mc.cores = 2, mc.set.seed = FALSE, mc.preschedule = preschedule),
        kind = kind, label = kind
      )
    }
  }
})

test_that("other generators start from a random seed in each process, and the caller's state stays", {
  keep_generator()
  set.seed(1, "Mersenne-Twister")
  before <- .Random.seed
  for (preschedule in c(TRUE, FALSE)) {
    drawn <- unlist(mclapply(1:6, function(i) runif(1), mc.cores = 2, mc.preschedule = preschedule))
    expect_identical(anyDuplicated(drawn), 0L)
    set.seed(1)
    again <- unlist(mclapply(1:6, function(i) runif(1), mc.cores = 2, mc.preschedule = preschedule))
    expect_false(any(drawn %in% again))
    expect_identical(.Random.seed, before)
  }
})

test_that("random arguments in `...` are drawn in the workers, as in parallel", {
  for (preschedule in c(TRUE, FALSE)) {
    expect_parity(
      function(p) p$mclapply(1:2, function(i, y) y, rnorm(1), mc.cores = 2, mc.preschedule = preschedule),
      kind = "L'Ecuyer-CMRG"
    )
  }
  expect_parity(function(p) p$mclapply(1:7, function(i, y) c(y, rnorm(1)), rnorm(1), mc.cores = 2), kind = "L'Ecuyer-CMRG")
})

test_that("calls one after the other, resets and jobs draw from parallel's sequence of streams", {
  jobs <- function(p, n) unname(p$mccollect(lapply(seq_len(n), function(k) p$mcparallel(runif(1), name = k))))
  expect_parity(function(p) {
    p$mc.reset.stream()
    list(
      jobs(p, 2), p$mclapply(1:3, draw, mc.cores = 2), jobs(p, 1), p$mclapply(1:3, draw, mc.cores = 2, mc.preschedule = FALSE),
      runif(1), jobs(p, 2), p$pvec(1:9, function(v) runif(length(v)), mc.cores = 2), jobs(p, 1), p$mc.reset.stream(), jobs(p, 2),
      p$mclapply(1, draw, mc.cores = 2), jobs(p, 1), p$mcmapply(function(a, b) runif(1), 1:4, 4:1, mc.cores = 2), jobs(p, 1)
    )
  }, kind = "L'Ecuyer-CMRG")
})

test_that("nested calls and nested jobs draw parallel's numbers", {
  expect_parity(function(p) {
    p$mclapply(1:3, function(i) {
      list(p$mclapply(1:3, draw, mc.cores = 2), unname(p$mccollect(p$mcparallel(runif(1)))), runif(1))
    }, mc.cores = 2)
  }, kind = "L'Ecuyer-CMRG")
  expect_parity(function(p) {
    p$mc.reset.stream()
    unname(p$mccollect(p$mcparallel(list(runif(1), unname(p$mccollect(p$mcparallel(runif(1))))))))
  }, kind = "L'Ecuyer-CMRG")
})

test_that("mc.reset.stream starts parallel's own streams again, too", {
  keep_generator()
  set.seed(123, "L'Ecuyer-CMRG")
  one <- function() unlist(parallel::mccollect(parallel::mcparallel(runif(1))), use.names = FALSE)
  mc.reset.stream()
  first <- one()
  mc.reset.stream()
  expect_identical(one(), first)
})

test_that("a task that changes the generator does not change it for later tasks", {
  keep_generator()
  set.seed(5, "L'Ecuyer-CMRG")
  calm <- mclapply(1:8, function(i) runif(1), mc.cores = 2, mc.preschedule = FALSE)
  wild <- mclapply(1:8, function(i) {
    drawn <- runif(1)
    RNGkind("Wichmann-Hill", "Box-Muller")
    set.seed(1)
    drawn
  }, mc.cores = 2, mc.preschedule = FALSE)
  expect_identical(wild, calm)
  set.seed(5, "Mersenne-Twister")
  kinds <- mclapply(1:8, function(i) {
    kind <- RNGkind()
    RNGkind("Wichmann-Hill")
    kind
  }, mc.cores = 2, mc.preschedule = FALSE)
  expect_identical(kinds, rep(list(RNGkind()), 8))
})

test_that("mc.seed gives the same numbers for any cores and schedule and leaves the caller's state alone", {
  keep_generator()
  set.seed(7, "Mersenne-Twister")
  before <- .Random.seed
  expected <- mclapply(1:9, draw, mc.cores = 1, mc.seed = 99)
  expect_identical(anyDuplicated(unlist(lapply(expected, `[`, 1))), 0L)
  for (cores in core_counts()) {
    for (preschedule in c(TRUE, FALSE)) {
      for (set_seed in c(TRUE, FALSE)) {
        actual <- mclapply(1:9, draw, mc.cores = cores, mc.preschedule = preschedule, mc.set.seed = set_seed, mc.seed = 99)
        expect_identical(actual, expected)
      }
    }
  }
  expect_identical(mclapply(1, draw, mc.seed = 99), expected[1])
  expect_false(identical(mclapply(1:9, draw, mc.cores = 2, mc.seed = 98), expected))
  expect_identical(mcmapply(function(x) runif(1), 1:9, mc.cores = 2, mc.seed = 99), vapply(expected, `[`, 0, 1))
  expect_identical(.Random.seed, before)
  expect_identical(RNGkind()[1], "Mersenne-Twister")
})

test_that("the share of a worker that died continues with numbers that were not drawn before", {
  keep_generator()
  set.seed(11, "L'Ecuyer-CMRG")
  whole <- unlist(mclapply(1:10, function(i) runif(1), mc.cores = 2))
  set.seed(11, "L'Ecuyer-CMRG")
  res <- quiet(mclapply(1:10, function(i) if (i == 5) tools::pskill(Sys.getpid(), 9L) else runif(1), mc.cores = 2))
  died <- vapply(res, inherits, TRUE, "try-error")
  expect_identical(which(died), 5L)
  drawn <- unlist(res[!died])
  expect_identical(drawn[1:4], whole[1:4])
  expect_identical(unlist(res[c(6, 8, 10)]), whole[c(6, 8, 10)])
  expect_identical(anyDuplicated(drawn), 0L)
})

test_that("mc.seed numbers survive a worker's death and a retry", {
  expected <- mclapply(1:8, function(i) runif(1), mc.cores = 2, mc.seed = 3)
  mark <- tempfile()
  res <- mclapply(1:8, function(i) {
    if (i == 3 && !file.exists(mark)) {
      file.create(mark)
      tools::pskill(Sys.getpid(), 9L)
    }
    runif(1)
  }, mc.cores = 2, mc.seed = 3, mc.retry = 1L)
  expect_true(file.exists(mark))
  expect_identical(res, expected)
  unlink(mark)
})

test_that("mc.reset.stream() works where it, or a changed copy of it, stands in the place of parallel's", {
  shown <- in_fresh_r("
    suppressMessages(library(multiprocessing))
    copy <- mc.reset.stream
    body(copy) <- call('{', quote(NULL), body(copy))
    assignInNamespace('mc.reset.stream', copy, 'parallel')
    RNGkind(\"L'Ecuyer-CMRG\")
    set.seed(1)
    x <- mc.reset.stream()
    cat(identical(x, .Random.seed), identical(x, parallel:::RNGenv$LEcuyer.seed), '\\n')
  ")
  expect_identical(shown, "TRUE TRUE ")
})
