# Random plain values: what is decoded is what was encoded. `make soak` draws a million.

travels <- function(x) {
  bytes <- encode(x)
  is_plain(bytes) && same(decode(bytes), x)
}

all_travel <- function(values) {
  bytes <- lapply(values, multiprocessing:::codec_encode)
  all(vapply(bytes, function(b) b[6L] == 1L && length(b) %% 8L == 0L, TRUE)) &&
    same(lapply(bytes, multiprocessing:::codec_decode), values)
}

test_that("random nested values come back identical, to the last bit", {
  local_random_seed(1)
  expect_null(failing_case(rounds(1e6, 20000), sample.int(1e8, 1), travels, all_travel))
})

test_that("the random values are of all kinds", {
  local_random_seed(2)
  values <- random_values(2000)
  types <- unique(vapply(values, typeof, ""))
  expect_setequal(types, c("NULL", "logical", "integer", "double", "complex", "raw", "character", "list"))
  classes <- unique(unlist(lapply(values, oldClass)))
  expect_true(all(c("factor", "data.frame", "Date", "POSIXct", "difftime", "ts", "codec_one") %in% classes))
  expect_true(any(vapply(values, function(x) is.array(x) && length(x) > 1, TRUE)))
  expect_true(any(vapply(values, function(x) is.list(x) && any(vapply(unclass(x), is.list, TRUE)), TRUE)))
  text <- unlist(Filter(is.character, values))
  expect_setequal(Encoding(text), c("unknown", "UTF-8", "latin1", "bytes"))
  expect_true(anyNA(text) && "" %in% text)
})

test_that("the smallest failing case is found", {
  local_random_seed(3)
  has_no_na <- function(x) {
    all <- attributes(x)
    x <- unclass(x)
    !(is.character(x) && anyNA(x)) && (!is.list(x) || all(vapply(x, has_no_na, TRUE))) &&
      all(vapply(all, has_no_na, TRUE))
  }
  case <- failing_case(1e5, 4, has_no_na)
  expect_identical(case$value, NA_character_)
  set.seed(case$seed)
  expect_false(all(vapply(random_values(500), has_no_na, TRUE)))
  expect_null(failing_case(500, 4, function(x) TRUE))
  nothing <- smallest_failing(list(a = 1, b = list(2, "x")), function(x) FALSE)
  expect_length(nothing, 0)
  expect_null(attributes(nothing))
})
