# Random programs give in every kind of worker what they give in the session, see helper-programs.R. Those that once went
# wrong come first.
test_that("random programs give in workers what they give in the session", {
  skip_on_cran()
  soak <- nzchar(Sys.getenv("MULTIPROCESSING_SOAK"))
  seeds <- if (soak) 1:2000 else c(20, 25, 49, 67, 69, 102, 1:3)
  engines <- list(
    pools = list(older = local_pool(1, context = "fork"), spawned = local_pool(1, context = "spawn")), young = TRUE,
    processes = if (soak) c("fork", "spawn") else "fork"
  )
  for (seed in seeds) expect_identical(suppressWarnings(program_differences(seed, engines)), character())
})
