# What the tests of the codec share: its two verbs, random plain values, and the smallest failing case.

encode <- function(x) multiprocessing:::codec_encode(x)
decode <- function(bytes) multiprocessing:::codec_decode(bytes)
is_plain <- function(bytes) bytes[[6]] == 1

# Equal to the last bit: NaN payloads, signed zeros, encodings, the order of attributes.
same <- function(x, y) {
  identical(x, y, num.eq = FALSE, single.NA = FALSE, attrib.as.set = FALSE) &&
    identical(serialize(x, NULL), serialize(y, NULL))
}

# set.seed() until the calling test ends.
local_random_seed <- function(seed, frame = parent.frame()) {
  old <- get0(".Random.seed", globalenv(), inherits = FALSE)
  restore <- function() {
    if (is.null(old)) {
      rm(".Random.seed", envir = globalenv())
    } else {
      assign(".Random.seed", old, globalenv())
    }
  }
  do.call(on.exit, list(as.call(list(restore)), add = TRUE), envir = frame)
  set.seed(seed)
}

# --- random values: many vectors are drawn by few calls of R and cut into pieces ---

draw <- function(from, n) from[sample.int(length(from), n, replace = TRUE)]

random_bytes <- function(n) as.raw(sample.int(256L, n, replace = TRUE) - 1L)

# All bit patterns: payloads of NaN, denormal numbers
random_bits <- function(what, n, size) readBin(random_bytes(n * size), what, n)

text_pool <- local({
  text <- c(
    "", "a", "NA", NA, "\u00e9t\u00e9", "\u65e5\u672c\u8a9e", "\U1F980", "latin\xe9", "\x01\xff",
    "tab\tnew\nline", "quote\"back\\slash", strrep("long ", 40), strrep("\u00fc", 300)
  )
  Encoding(text)[5:7] <- "UTF-8"
  Encoding(text)[8:9] <- c("latin1", "bytes")
  Encoding(text)[13] <- "UTF-8"
  c(text, letters, strrep("x", 5:9), "names", "dim")
})

random_text <- function(n) draw(text_pool, n)

random_vector <- function(kind, n) {
  switch(kind,
    draw(c(TRUE, FALSE, NA), n),
    draw(c(-1L, 0L, NA, .Machine$integer.max, 1:9), n),
    random_bits("integer", n, 4L),
    draw(c(-0, 0, NA, NaN, Inf, -Inf, pi, 5e-324, 1:5), n),
    random_bits("double", n, 8L),
    complex(real = draw(c(NA, NaN, 1, -0), n), imaginary = random_bits("double", n, 8L)),
    random_bytes(n),
    random_text(n)
  )
}

cut_up <- function(x, lengths) {
  piece <- rep.int(seq_along(lengths), lengths)
  unname(split.default(x, structure(piece, levels = as.character(seq_along(lengths)), class = "factor")))
}

random_vectors <- function(n) {
  kinds <- sample.int(8L, n, replace = TRUE)
  cut <- lapply(1:8, function(kind) {
    lengths <- draw(c(0:5, 1L, 1L, 17L, 40L), sum(kinds == kind))
    cut_up(random_vector(kind, sum(lengths)), lengths)
  })
  sample(c(list(rep(1.5, 3000)), vector("list", n %/% 40L), unlist(cut, recursive = FALSE)))
}

# Each of these makes `x` (of length n) something with attributes; `more` are other values.
dress <- list(
  function(x, n, more) structure(x, names = random_text(n)),
  function(x, n, more) structure(x, dim = if (n %% 2L) c(n, 1L) else c(2L, n %/% 2L, 1L)),
  function(x, n, more) structure(x, dim = n, dimnames = list(side = if (n) as.character(seq_len(n)))),
  function(x, n, more) structure(x, class = c("codec_one", "codec_two")),
  function(x, n, more) {
    x <- structure(x, meta = more[[1L]], names = random_text(n))
    attr(x, "gr\u00f6\u00dfe") <- more[[2L]]
    x
  },
  function(x, n, more) structure(x, comment = "c", zeta = more, class = "codec_one", alpha = -0),
  function(x, n, more) structure(x, units = "secs", class = "difftime"),
  function(x, n, more) structure(rep_len(c(1L, NA, 2L), n), levels = c("b", "a"), class = c("ordered", "factor")),
  function(x, n, more) structure(seq_len(n) + 0.25, class = "Date"),
  function(x, n, more) structure(seq_len(n) * 1e8, class = c("POSIXct", "POSIXt"), tzone = "UTC"),
  function(x, n, more) if (n == 0L) x else structure(seq_len(n) + 0, tsp = c(2000, 2000 + n - 1, 1), class = "ts"),
  function(x, n, more) {
    columns <- list(n = seq_len(n) + 0, s = random_text(n), l = rep_len(list(NULL, x), n))
    structure(columns, class = "data.frame", row.names = if (n %% 2L) seq_len(n) else c(NA, -n))
  }
)

random_values <- function(n) {
  values <- random_vectors(n)
  for (level in 1:3) {
    plain <- which(!vapply(values, is.null, TRUE))
    for (i in draw(plain, n %/% 4L)) {
      x <- values[[i]]
      if (is.null(attributes(x))) {
        values[[i]] <- dress[[sample.int(12L, 1L)]](x, length(x), draw(values, 2L))
      }
    }
    sizes <- draw(c(0:4, 9L), n %/% 8L)
    lists <- cut_up(draw(values, sum(sizes)), sizes)
    values <- c(values, lists[lengths(lists) > 0L | level == 1L])
  }
  deep <- draw(values, 1L)
  for (i in seq_len(sample.int(300L, 1L))) deep <- list(deep)
  sample(c(values, list(deep)), n)
}

# --- the smallest failing case ---

with_attributes <- function(x, all) {
  attributes(x) <- NULL
  attributes(x) <- all
  x
}

smaller_values <- function(x) {
  all <- attributes(x)
  bare <- with_attributes(x, NULL)
  n <- length(bare)
  try_each <- function(i, f) lapply(i, function(j) tryCatch(list(f(j)), error = function(e) NULL))
  candidates <- c(
    list(lapply(unname(all), identity), if (is.list(bare)) bare),
    try_each(seq_along(all), function(i) with_attributes(x, all[-i])),
    if (n > 1L) list(list(bare[seq_len(n %/% 2L)], bare[seq(n %/% 2L + 1L, n)])),
    if (n <= 20L) try_each(seq_len(n), function(i) bare[-i]),
    if (is.list(bare)) {
      lapply(seq_len(min(n, 20L)), function(i) {
        unlist(recursive = FALSE, lapply(smaller_values(bare[[i]]), function(element) {
          tryCatch(
            {
              bare[i] <- list(element)
              list(with_attributes(bare, all))
            },
            error = function(e) NULL
          )
        }))
      })
    }
  )
  unlist(candidates, recursive = FALSE)
}

# Takes smaller and smaller parts of `x` as long as `holds` is not TRUE of them (or fails).
smallest_failing <- function(x, holds) {
  fails <- function(x) !isTRUE(tryCatch(holds(x), error = function(e) FALSE))
  for (step in 1:1000) {
    failing <- Position(fails, smaller <- smaller_values(x))
    if (is.na(failing)) break
    x <- smaller[[failing]]
  }
  x
}

# Draws `n` values, in batches that can be drawn again alone, and looks whether `holds` is TRUE of each. NULL, or the
# smallest case that fails; `holds_for_all`, if given, is a quicker way to see that a whole batch is good.
failing_case <- function(n, seed, holds, holds_for_all = NULL, batch = 500L) {
  for (i in seq_len(ceiling(n / batch))) {
    set.seed(seed + i)
    values <- random_values(batch)
    if (!is.null(holds_for_all) && isTRUE(tryCatch(holds_for_all(values), error = function(e) FALSE))) next
    for (x in values) {
      if (!isTRUE(tryCatch(holds(x), error = function(e) FALSE))) {
        return(list(seed = seed + i, value = smallest_failing(x, holds)))
      }
    }
  }
  NULL
}

# Until the calling function ends, what arrives in blocks are views, in this process and in those that are forked from now
# on, as it is where data are too large to be copied and R's memory cannot show them.
local_views <- function(envir = parent.frame()) {
  before <- multiprocessing:::block_copy_limit(0)
  end <- as.call(list(function() multiprocessing:::block_copy_limit(before)))
  do.call(base::on.exit, list(end, add = TRUE), envir = envir)
}
