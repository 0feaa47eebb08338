# Random programs give in every kind of worker what they give in the session, see helper-programs.R.
test_that("programs of each kind of definition give in workers what they give in the session", {
  skip_on_cran()
  engines <- list(
    pools = list(older = local_pool(1, context = "fork"), spawned = local_pool(1, context = "spawn")), young = TRUE,
    processes = character()
  )
  for (kind in available_steps()) {
    expect_identical(suppressWarnings(program_differences(1, engines, kind)), character(), label = kind)
  }
})

test_that("random programs give in workers, processes and mclapply() what they give in the session", {
  skip_on_cran()
  engines <- list(
    pools = list(older = local_pool(1, context = "fork"), spawned = local_pool(1, context = "spawn")), young = TRUE,
    processes = c("fork", "spawn")
  )
  seeds <- if (nzchar(Sys.getenv("MULTIPROCESSING_SOAK"))) 1:2000 else 1:5
  for (seed in seeds) expect_identical(suppressWarnings(program_differences(seed, engines)), character())
})
