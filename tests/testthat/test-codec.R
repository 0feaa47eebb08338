# The codec through its two internal verbs: codec_encode() gives bytes, codec_decode() the value.

expect_plain_round_trip <- function(x, label = deparse(substitute(x))[[1]]) {
  bytes <- encode(x)
  expect_true(is_plain(bytes), label = paste(label, "is plain"))
  expect_identical(length(bytes) %% 8, 0, label = paste("the size of", label, "modulo 8"))
  expect_true(same(decode(bytes), x), label = paste(label, "comes back the same"))
}

test_that("plain values of every type come back identical", {
  expect_plain_round_trip(NULL)
  expect_plain_round_trip(c(TRUE, NA, FALSE))
  expect_plain_round_trip(c(1L, NA, -5L))
  expect_plain_round_trip(c(1.5, NA, NaN, -0, Inf, -Inf))
  expect_plain_round_trip(readBin(as.raw(c(1, 2, 3, 4, 5, 0, 0xf8, 0x7f)), "double"))
  expect_plain_round_trip(c(NA, 1 + 2i))
  expect_plain_round_trip(as.raw(0:255))
  expect_plain_round_trip(c("a", NA, "NA", ""))
  for (empty in list(logical(), integer(), double(), complex(), raw(), character(), list())) {
    expect_plain_round_trip(empty, typeof(empty))
  }
  expect_plain_round_trip(list(1, "a", NULL, list(x = 1:3 + 0L, list())))
})

test_that("strings keep their encoding marks", {
  text <- c("\u00e9", "\xe9", "a", NA, "\xff\xfe")
  Encoding(text) <- c("UTF-8", "latin1", "unknown", "unknown", "bytes")
  expect_plain_round_trip(text)
  expect_identical(Encoding(decode(encode(text))), Encoding(text))
})

test_that("attributes come back, in their order, with the classes that they make", {
  expect_plain_round_trip(iris)
  expect_plain_round_trip(mtcars)
  expect_plain_round_trip(data.frame())
  expect_plain_round_trip(iris[c(5, 2), ])
  expect_plain_round_trip(factor(c("b", "a", NA)))
  expect_plain_round_trip(as.POSIXlt("2020-01-01", tz = "UTC"))
  expect_plain_round_trip(EuStockMarkets * 2) # arithmetic puts tsp before dim
  expect_plain_round_trip(Titanic)
  expect_plain_round_trip(array(0, c(2, 0, 3)))
  expect_plain_round_trip(structure(list(), names = character()))
  expect_plain_round_trip(structure(1, deep = structure(list(2), deeper = iris)))
  expect_identical(.row_names_info(decode(encode(iris))), .row_names_info(iris))
  expect_plain_round_trip(structure(1:4, dim = 4L, dimnames = list(letters[1:4])))
  expect_plain_round_trip(matrix(1:4, 2, dimnames = list(NULL, c("a", "b"))))
  expect_plain_round_trip(structure(1:2, comment = "a note"))
})

test_that("attributes that R's own setters would refuse or change come back as they are", {
  named <- c(a = 1, b = 2)
  attr(named, "dim") <- 2L # R keeps these names, and would make dimnames of later ones
  many <- 1
  for (i in 1:40) attr(many, paste0("a", i)) <- i
  for (x in list(named, many, structure(1:2, comment = character()))) {
    expect_true(same(decode(encode(x)), x))
  }
})

test_that("a compact sequence travels as plain data, a huge one as the numbers that define it", {
  expect_true(is_plain(encode(1:1000)))
  expect_identical(decode(encode(1:1000)), 1:1000)
  expect_identical(decode(encode(as.character(1:1000))), as.character(1:1000))
  bytes <- encode(1:1e9)
  expect_lt(length(bytes), 1000)
  expect_identical(length(decode(bytes)), 1000000000L)
})

test_that("what is not plain goes through R's serializer as one piece", {
  formula <- stats::as.formula("y ~ x", globalenv())
  language <- list(quote(a), quote(a + b), expression(a, b), formula, list(quote(z)))
  for (x in c(language, sum, globalenv())) {
    expect_false(is_plain(encode(x)))
    expect_identical(decode(encode(x)), x)
  }
  add <- function(x, y = 2) x + y
  expect_identical(decode(encode(add))(1), 3)

  counter <- local({
    n <- 0
    list(up = function() n <<- n + 1, get = function() n)
  })
  copy <- decode(encode(counter))
  copy$up()
  expect_identical(copy$get(), 1)
  expect_identical(counter$get(), 0)
})

test_that("a pairlist that R can read travels, a longer one is an error with its path", {
  fine <- list(a = as.pairlist(as.list(1:10000)))
  expect_identical(decode(encode(fine)), fine)
  long <- list(1, list(a = as.pairlist(as.list(1:200000))))
  wide <- list(as.call(c(quote(f), as.list(1:200000))))
  if (getRversion() < "4.3") { # its reader calls itself for each node
    expect_error(encode(long), "as.list", class = "EncodingError")
    expect_error(encode(wide), "as.list", class = "EncodingError")
    hidden <- encode(list2env(list(long = long)))
    expect_error(decode(hidden), "nested too deeply for R's stack", class = "EncodingError")
  } else {
    expect_identical(decode(encode(long)), long)
  }
  expect_identical(decode(encode(fine)), fine)
})

test_that("a value that is read where R is nearly too deep is whole or an error, never NULL", {
  e <- new.env(parent = asNamespace("stats")) # to find it R evaluates code while it reads
  e$code <- as.call(c(as.name("list"), as.list(seq_len(2500))))
  f <- function(x) x
  environment(f) <- e
  bytes <- encode(list(code = e$code, f = f))
  read <- compiler::cmpfun(function(n) if (n > 0) read(n - 1) else decode(bytes))
  before <- options(expressions = 500)
  on.exit(options(before))
  outcomes <- vapply(seq(380, 500), function(n) {
    tryCatch(if (is.null(read(n))) "lost" else "whole", error = function(e) "error")
  }, "")
  expect_setequal(outcomes, c("whole", "error"))
})

test_that("nesting deeper than the format allows is no danger to the stack", {
  deep <- NULL
  for (i in 1:512) deep <- list(deep)
  expect_true(is_plain(encode(deep)))
  for (i in 1:9488) deep <- list(deep)
  bytes <- encode(deep)
  expect_false(is_plain(bytes))
  back <- decode(bytes)
  depth <- 0
  while (is.list(back)) {
    back <- back[[1]]
    depth <- depth + 1
  }
  expect_identical(depth, 10000)
})

test_that("a function travels without its source references, and the user's keeps them", {
  text <- "function(x, g = function(u) u) {\n  # a comment\n  h <- function(y) { y }\n  h(x)\n}"
  f <- eval(parse(text = text, keep.source = TRUE), globalenv())
  bare <- eval(parse(text = text, keep.source = FALSE), globalenv())
  expect_true(identical(decode(encode(f)), bare, ignore.srcref = FALSE))
  expect_true(identical(decode(encode(list(a = list(f)))), list(a = list(bare)), ignore.srcref = FALSE))
  expect_false(is.null(attr(f, "srcref")))
})

test_that("an external pointer in an attribute becomes nil and its value stays plain", {
  table <- structure(list(a = 1:3 + 0L), row.names = c(NA, -3L), class = "data.frame")
  selfref <- structure(table, .internal.selfref = multiprocessing:::process_start(quote(0L), "fork", FALSE), class = c("data.table", "data.frame"))
  bytes <- encode(selfref)
  expect_true(is_plain(bytes))
  expect_identical(typeof(attr(decode(bytes), ".internal.selfref")), "externalptr")
  expect_identical(decode(bytes)$a, table$a)
})

test_that("a connection is refused with the path that leads to it", {
  connection <- textConnection("text")
  on.exit(close(connection))
  expect_error(encode(connection), "connection", class = "EncodingError")
  expect_error(encode(list(a = 1, con = list(0, connection))), "$con[[2]]", fixed = TRUE)
  expect_error(encode(structure(1, meta = list(connection))), "attr(,\"meta\")[[1]]", fixed = TRUE)
  expect_error(encode(list(function() 1, `my con` = connection)), "$`my con`", fixed = TRUE)
})

test_that("what is half built survives a collection at every allocation", {
  on.exit(gctorture(FALSE))
  verbs <- list(encode = multiprocessing:::codec_encode, decode = multiprocessing:::codec_decode)
  under_torture <- function(x) {
    gctorture(TRUE)
    bytes <- verbs$encode(x)
    back <- verbs$decode(bytes)
    gctorture(FALSE)
    back
  }
  frame <- data.frame(n = c(1.5, NA), s = c("\u00e9", NA), f = factor(c("b", "a")))
  values <- list(
    1.5, letters[1:3], 1:5 + 0L, list(1, "a", NULL, list(x = 2i)), frame, structure(list(), names = character()),
    array(1:4 + 0, c(2, 2), list(NULL, c("p", "q"))), structure("x", class = "c", zeta = list(as.raw(1))), quote(a + b)
  )
  if (soaking()) {
    local_random_seed(22)
    values <- c(values, Filter(function(x) utils::object.size(x) < 2000, random_values(200)))
  }
  for (x in values) {
    expect_true(same(under_torture(x), x), label = deparse(x)[[1]])
  }
})

test_that("bytes that are cut short, or that say something else, are refused", {
  bytes <- encode(list(a = 1:3 + 0L, b = "text", c = iris[1:2, ]))
  for (n in seq(0, length(bytes) - 1)) {
    expect_error(decode(bytes[seq_len(n)]))
  }
  at <- function(x, i, value) {
    x[i] <- as.raw(value)
    x
  }
  expect_error(decode(at(bytes, 1, 0)), "not a value")
  expect_error(decode(at(bytes, 5, 99)), "not a value") # the version
  expect_error(decode(at(bytes, 17, 99)), "not a value") # the root's type
  expect_error(decode(at(bytes, 25:31, 0xff)), "not a value") # its length
  expect_error(decode(at(bytes, 33, 0)), "not a value") # the offset of its first element
})

test_that("an attribute that does not fit its value is refused", {
  bytes <- encode(matrix(1:6 + 0L, 2))
  dim_at <- length(bytes) - 8 + 1
  expect_identical(as.integer(bytes[c(dim_at, dim_at + 4)]), 2:3)
  bytes[dim_at] <- as.raw(200)
  expect_error(decode(bytes), "does not fit")

  bytes <- encode(structure(1:2 + 0L, names = c("a", "b")))
  broken <- encode(structure(1:3 + 0L, nomes = c("a", "b")))
  broken[broken == charToRaw("o")] <- charToRaw("a")
  expect_error(decode(broken), "does not fit")
  expect_named(decode(bytes), c("a", "b"))
})

test_that("random damage gives a value or an error, never a crash", {
  local_random_seed(21)
  frames <- lapply(list(iris[1:3, ], list(1, "a", list(NULL, x = 1:3)), letters, Titanic), encode)
  outcome <- c(value = 0, error = 0)
  for (i in seq_len(2000)) {
    bytes <- frames[[sample.int(length(frames), 1)]]
    hit <- setdiff(sample.int(length(bytes), sample.int(4, 1)), 6) # byte 6: plain or serialized
    bytes[hit] <- as.raw(sample.int(256, length(hit), replace = TRUE) - 1L)
    got <- tryCatch(
      {
        decode(bytes)
        "value"
      },
      error = function(e) "error"
    )
    outcome[[got]] <- outcome[[got]] + 1
  }
  expect_identical(sum(outcome), 2000)
  expect_gt(outcome[["error"]], 0)
  expect_gt(outcome[["value"]], 0)
})
