# Calls from helper-mc-differential.R: the seeds are their numbers.

test_that("generated calls give with ours what they give with parallel, or what ?mclapply says", {
  skip_on_cran()
  numbers <- seq_len(rounds(2000, 80))
  batches <- split(numbers, (numbers - 1L) %/% 40L)
  told <- unlist(lapply(batches, function(batch) stats::setNames(run_differential(batch), batch)))
  names(told) <- numbers
  unexpected <- told[!grepl("^(\\([a-z0-9]+\\)(, )?)*$", told)]
  expect_identical(unexpected, told[0], info = "print(differential_call(number)) shows a call")
  if (soaking()) message(paste(capture.output(table(told)), collapse = "\n"))
})
