test_that("wrong mc.cores are ValueErrors with parallel's text", {
  for (cores in list(0, -1, NA, "a", 0.5)) {
    error <- expect_error(quiet(mclapply(1:3, identity, mc.cores = cores)), "'mc.cores' must be >= 1", class = "ValueError")
    expect_s3_class(error, "multiprocessing_error")
  }
  for (cores in list(0, -1, 0.5)) {
    expect_error(pvec(1:3, identity, mc.cores = cores), "'mc.cores' must be >= 1", class = "ValueError")
  }
  expect_error(pvec(1:3, identity, mc.cores = NA), class = "ValueError") # with the text of parallel, see below
  expect_error(quiet(mclapply(1:3, identity, mc.cores = c(2, 2))), class = "ValueError")
  expect_error(mclapply(1:3, 5, mc.cores = 2))
  expect_error(mclapply(1:3, identity, affinity.list = list(1), mc.preschedule = FALSE), "must have the same length", class = "ValueError")
})

test_that("the limit of package checks is kept as parallel keeps it", {
  old <- Sys.getenv("_R_CHECK_LIMIT_CORES_", NA)
  on.exit(if (is.na(old)) Sys.unsetenv("_R_CHECK_LIMIT_CORES_") else Sys.setenv("_R_CHECK_LIMIT_CORES_" = old))
  Sys.setenv("_R_CHECK_LIMIT_CORES_" = "TRUE")
  expect_parity(function(p) p$mclapply(1:3, identity, mc.cores = 3))
  expect_parity(function(p) p$mclapply(1:3, identity, mc.cores = 2))
  Sys.setenv("_R_CHECK_LIMIT_CORES_" = "warn")
  expect_parity(function(p) p$mclapply(1, identity, mc.cores = 3))
})

test_that("mc.cores comes from the option mc.cores", {
  old <- options(mc.cores = 1L)
  on.exit(options(old))
  expect_identical(mclapply(1:2, function(i) Sys.getpid()), rep(list(Sys.getpid()), 2))
})

test_that("an affinity.list gives parallel's results and warnings", {
  skip_if(is.null(mcaffinity()), "this system has no processor affinity")
  cpu <- mcaffinity()[1]
  affinity <- rep(list(cpu), 5)
  expect_parity(function(p) p$mclapply(1:5, sqrt, affinity.list = affinity, mc.preschedule = FALSE))
  expect_parity(function(p) p$mclapply(1:5, sqrt, affinity.list = affinity, mc.cores = 2))
  expect_parity(function(p) p$mclapply(1:5, sqrt, affinity.list = affinity, mc.cores = 1))
  expect_parity(function(p) p$mclapply(4, sqrt, affinity.list = affinity, mc.cores = 2))
  expect_parity(function(p) p$mcmapply(`+`, 1:5, 5:1, affinity.list = affinity, mc.preschedule = FALSE))
  expect_parity(function(p) p$mclapply(1:5, function(i) runif(1), affinity.list = affinity, mc.preschedule = FALSE), kind = "L'Ecuyer-CMRG")
  before <- mcaffinity()
  where <- mclapply(1:5, function(i) mcaffinity(), affinity.list = affinity, mc.preschedule = FALSE)
  expect_identical(where, affinity)
  expect_error(mclapply(1, function(i) stop("x"), affinity.list = list(cpu)), "x")
  expect_identical(mcaffinity(), before)
  expect_identical(mclapply(list(), identity, affinity.list = list()), list())
})

test_that("elements with different CPUs run on those, whichever process takes them", {
  cpus <- mcaffinity()
  skip_if(length(cpus) < 2, "only one CPU")
  affinity <- list(cpus[1], cpus[2], cpus[1:2], cpus[2], NULL, cpus[1])
  where <- mclapply(1:6, function(i) mcaffinity(), affinity.list = affinity, mc.preschedule = FALSE)
  expect_identical(where[-5], affinity[-5])
  expect_gte(length(where[[5]]), 1L)
})

test_that("mc.silent drops what workers print, and nothing else", {
  expect_parity(function(p) p$mclapply(1:4, sqrt, mc.cores = 2, mc.silent = TRUE))
  expect_parity(function(p) p$mclapply(1:4, sqrt, mc.cores = 2, mc.silent = TRUE, mc.preschedule = FALSE))
  loud <- function(i) cat("printed by", i, "\n")
  expect_identical(capture.output(res <- mclapply(1:4, loud, mc.cores = 2, mc.silent = TRUE)), character())
  expect_identical(res, vector("list", 4))
  out <- capture.output(mclapply(1:4, loud, mc.cores = 2), type = "output")
  expect_setequal(grep("printed", out, value = TRUE), paste("printed by", 1:4, ""))
})

test_that("mc.cleanup changes nothing for calls that end", {
  for (cleanup in list(TRUE, FALSE, 9L)) {
    expect_parity(function(p) p$mclapply(1:4, sqrt, mc.cores = 2, mc.cleanup = cleanup))
    expect_parity(function(p) p$pvec(1:4, sqrt, mc.cores = 2, mc.cleanup = cleanup))
  }
})

test_that("mc.progress changes no result", {
  for (cores in 1:2) {
    res <- suppressMessages(mclapply(c(a = 1, b = 4), sqrt, mc.cores = cores, mc.progress = TRUE))
    expect_identical(res, list(a = 1, b = 2))
  }
})

test_that("all arguments of parallel's functions exist, in their order, with their defaults", {
  for (name in names(ours())) {
    expected <- as.list(formals(get(name, theirs())))
    actual <- as.list(formals(get(name, ours())))[seq_along(expected)]
    expect_identical(actual, expected, info = name)
  }
})

test_that("all that parallel exports is reachable", {
  exported <- getNamespaceExports("multiprocessing")
  expect_identical(setdiff(getNamespaceExports("parallel"), exported), character())
  replaced <- setdiff(names(ours()), "mcaffinity")
  for (name in setdiff(getNamespaceExports("parallel"), replaced)) {
    expect_identical(getExportedValue("multiprocessing", name), getExportedValue("parallel", name), info = name)
  }
})

test_that("a wrong argument has parallel's warnings and error, or is taken as there", {
  wrong <- list(NA, "a", "TRUE", c(TRUE, TRUE), NULL, 0, -1L, list(1), quote(x))
  names <- c("mc.preschedule", "mc.set.seed", "mc.silent", "mc.cores", "mc.cleanup", "mc.allow.recursive")
  for (name in names) {
    for (value in wrong) {
      if (name == "mc.cores" && is.list(value)) next # a list is no number here
      # R CMD check of R 4.2 ends R where parallel compares two numbers with `||`
      if (name == "mc.cores" && length(value) > 1 && nzchar(Sys.getenv("_R_CHECK_LENGTH_1_LOGIC2_"))) next
      arguments <- structure(list(value), names = name)
      label <- paste(name, "=", deparse(value))
      expect_parity(function(p) do.call(p$mclapply, c(list(1:3, identity), arguments), quote = TRUE), label = label)
      if (name %in% c("mc.preschedule", "mc.allow.recursive")) next
      expect_parity(function(p) do.call(p$pvec, c(list(1:3, identity), arguments), quote = TRUE), label = paste("pvec", label))
    }
  }
})
