# memory_usage() says what is in shared memory, how large, and which processes have it.
test_that("a process is named once, also just after the start of a pool", {
  for (k in 1:5) {
    pool <- Pool(2)
    holders <- memory_usage()$holders
    expect_identical(lapply(holders, unique), lapply(holders, identity))
    pool$terminate()
  }
})

test_that("it prints sizes, kinds, totals and holders, and stays a data frame", {
  pool <- local_pool(1)
  pool$map(identity, 1)
  x <- share(as.numeric(1:1e5))
  usage <- memory_usage()
  expect_s3_class(usage, "data.frame")
  expect_gt(sum(usage$bytes), 8e5)
  said <- paste(capture.output(print(usage)), collapse = "\n")
  expect_match(said, "<shared memory: [0-9.]+ [kMG]B in [0-9,]+ blocks>")
  expect_match(said, "80[0-9] kB")
  expect_match(said, "by kind: .*data [0-9.]+ [kMG]B")
  expect_match(said, sprintf("%d \\(this process, MainProcess\\)", Sys.getpid()))
  expect_match(said, sprintf("%d \\(a pool's worker\\)", pool$status()$pid))
  expect_output(print(usage[1:2]), "kind")
  expect_output(print(usage[0, ]), "0 B in 0 blocks")
  expect_identical(x[1], 1)
})

test_that("sizes are in units that can be read", {
  sizes <- vapply(c(0, 999, 1000, 4096, 803000, 1.5e6, 2.5e9, 3e12, 4e15), multiprocessing:::human_size, "")
  expect_identical(sizes, c("0 B", "999 B", "1.0 kB", "4.1 kB", "803 kB", "1.5 MB", "2.5 GB", "3.0 TB", "4000 TB"))
})
