# What arrives from another process beside an ordinary vector: 40 operations of base R and data.table on both, in the
# same run and in turn, for each type of numbers and for strings, below 64 MB and above. The values are compared with
# identical() before anything is timed.
#   Rscript bench/views.R below                 or `above`; both take 8 minutes with --rounds=3; `touch` a second
#   Rscript bench/views.R [--rounds=5] [--short] [--views] [double below strings ...]
# Words choose tables: a type, `below`, `above`, `touch`. --short: a tenth of the data. --views: as where R's memory for a
# vector cannot show pages of shared memory (another malloc): ALTREP views, of which nothing is promised.

here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1L]))
source(file.path(here, "peers.R"))
heading("Reading what arrives")

given <- commandArgs(TRUE)
short <- "--short" %in% given
views <- "--views" %in% given
chosen <- grep("^--", given, value = TRUE, invert = TRUE)
wanted <- function(...) {
  of_kind <- function(words) !any(chosen %in% words) || any(c(...) %in% intersect(chosen, words))
  of_kind(types) && of_kind(c("below", "above", "touch"))
}
types <- c("double", "integer", "logical", "complex", "raw", "strings")
if (views) Sys.setenv(LD_PRELOAD = "none") # read by the package when the first vector arrives
Queue <- ours("Queue")
if (is.null(Queue)) stop("the package is not installed", call. = FALSE)

received <- function(x) {
  q <- Queue()
  q$put(x)
  q$get()
}

# ---- the data ------------------------------------------------------------------------------------

bytes_each <- c(double = 8, integer = 4, logical = 4, complex = 16, raw = 1, strings = 17)

elements <- function(type, n) {
  set.seed(1)
  numbers <- sample.int(1000L, n, TRUE)
  switch(type,
    double = numbers + 0.5,
    integer = numbers,
    logical = c(NA, rep(c(TRUE, FALSE), 5))[numbers %% 11L + 1L],
    complex = complex(real = numbers, imaginary = 1),
    raw = as.raw(numbers %% 256L),
    strings = sprintf("word %d", numbers)
  )
}

# What the operations use beside `x`; the lengths are those of the vectors, a square matrix has `side` columns.
helpers <- function(x) {
  n <- length(x)
  set.seed(2)
  list(
    n = n, idx = sample.int(n, n %/% 2L), lgl = rep_len(c(TRUE, FALSE, TRUE), n), some = sample.int(n, 3e4L, TRUE),
    table = unique(utils::head(x, 1000L)), yes = rep_len(c(TRUE, FALSE), n), g = rep_len(1:10, n)
  )
}

# ---- the operations ------------------------------------------------------------------------------

# `x`: a vector; `m`: a matrix; `d`: a list of columns, of which `v` is the vector; `h`: see above. A word behind each
# says what it is for: the types that R has it for, and `slow` for those that take the time of hundreds of others (for
# them a tenth of the data arrives).
numeric_types <- c("double", "integer", "logical")
no_raw <- c(numeric_types, "complex")
compiled <- compiler::cmpfun
loop_elements <- compiled(function(x, some) {
  last <- NULL
  for (i in some) last <- x[i]
  last
})
loop_items <- compiled(function(x, some) {
  last <- NULL
  for (i in some) last <- x[[i]]
  last
})
loop_matrix <- compiled(function(m, some) {
  rows <- nrow(m)
  last <- NULL
  for (i in some) last <- m[(i - 1L) %% rows + 1L, (i - 1L) %/% rows + 1L]
  last
})
loop_assign <- compiled(function(x, some) {
  value <- x[1L]
  for (i in some) x[i] <- value
  x
})
sum_each <- compiled(function(x) vapply(x, function(v) 1, 0))

op <- function(run, types = NULL, on = "x", slow = FALSE, when = TRUE) {
  list(run = compiled(run), types = types, on = on, slow = slow, when = when)
}
operations <- list(
  "x[i:j]" = op(function(x, h) x[10:(h$n - 10L)]),
  "x[idx]" = op(function(x, h) x[h$idx]),
  "x[lgl]" = op(function(x, h) x[h$lgl]),
  "x[-1]" = op(function(x, h) x[-1L]),
  "head" = op(function(x, h) utils::head(x, h$n %/% 2L)),
  "m[, j]" = op(function(m, h) for (j in seq_len(ncol(m))) m[, j], on = "m"),
  "m[i, ]" = op(function(m, h) for (i in seq_len(20L)) m[i, ], on = "m"),
  "m[, 1:k]" = op(function(m, h) m[, seq_len(ncol(m) %/% 2L)], on = "m"),
  "scalar x[i]" = op(function(x, h) loop_elements(x, h$some)),
  "scalar x[[i]]" = op(function(x, h) loop_items(x, h$some)),
  "scalar m[i, j]" = op(function(m, h) loop_matrix(m, h$some), on = "m"),
  "x[i] <- v" = op(function(x, h) loop_assign(x, h$some)),
  "sum" = op(function(x, h) sum(x, na.rm = TRUE), no_raw),
  "mean" = op(function(x, h) mean(x), no_raw),
  "range" = op(function(x, h) range(x, na.rm = TRUE), c(numeric_types, "strings")),
  "max" = op(function(x, h) max(x, na.rm = TRUE), c(numeric_types, "strings")),
  "cumsum" = op(function(x, h) cumsum(x), no_raw),
  "rev" = op(function(x, h) rev(x)),
  "sort" = op(function(x, h) sort(x), c(no_raw, "strings"), slow = TRUE),
  "order" = op(function(x, h) order(x), c(no_raw, "strings"), slow = TRUE),
  "anyNA" = op(function(x, h) anyNA(x), c(no_raw, "strings")),
  "is.na" = op(function(x, h) is.na(x)),
  "which" = op(function(x, h) which(x), "logical"),
  "which(x == v)" = op(function(x, h) which(x == x[1L])),
  "ifelse" = op(function(x, h) ifelse(h$yes, x, x), c(no_raw, "strings"), slow = TRUE),
  "match" = op(function(x, h) match(x, h$table)),
  "findInterval" = op(function(x, h) findInterval(x, c(0, 100, 500)), c("double", "integer")),
  "table" = op(function(x, h) table(x), c(numeric_types, "strings"), slow = TRUE),
  "as.integer" = op(function(x, h) as.integer(x), c(numeric_types, "raw")),
  "as.character" = op(function(x, h) rev(as.character(x)), slow = TRUE),
  "x + 1" = op(function(x, h) x + 1, no_raw),
  "t()" = op(function(m, h) t(m), on = "m"),
  "%*%" = op(function(m, h) m %*% rep(1, ncol(m)), no_raw, on = "m"),
  "crossprod" = op(function(m, h) crossprod(m), c("double", "integer"), on = "m", slow = TRUE),
  "colSums" = op(function(m, h) colSums(m, na.rm = TRUE), no_raw, on = "m"),
  "apply(m, 1, sum)" = op(function(m, h) apply(m, 1L, length), on = "m"),
  "vapply" = op(function(x, h) sum_each(x), slow = TRUE),
  "identical" = op(function(x, h) identical(x, h$copy)),
  "unique" = op(function(x, h) unique(x)),
  "duplicated" = op(function(x, h) duplicated(x)),
  "paste" = op(function(x, h) paste(x, "a"), slow = TRUE),
  "nchar" = op(function(x, h) nchar(x), "strings"),
  "substr" = op(function(x, h) substr(x, 2L, 6L), "strings"),
  "grepl" = op(function(x, h) grepl("9", x, fixed = TRUE), "strings"),
  "factor" = op(function(x, h) factor(x), c(numeric_types, "strings"), slow = TRUE),
  "split" = op(function(x, h) split(x, h$g)),
  "data.frame" = op(function(d, h) data.frame(v = d$v, g = h$g)[5:100, ], on = "d"),
  "merge" = op(function(d, h) merge(data.frame(v = d$v), data.frame(v = h$table, w = 1)), c("double", "integer", "strings"),
    on = "d", slow = TRUE),
  "data.table by" = op(function(d, h) data.table::setDT(list(v = d$v, g = h$g))[, .(a = v[1L], n = .N), by = g],
    c(no_raw, "strings"), on = "d", when = has("data.table")),
  "data.table by v" = op(function(d, h) data.table::setDT(list(v = d$v))[, .N, by = v],
    c(numeric_types, "strings"), on = "d", when = has("data.table")),
  "data.table :=" = op(function(d, h) data.table::setDT(list(v = d$v, g = h$g))[, w := v][], c(no_raw, "strings"), on = "d",
    when = has("data.table"))
)
# The symbols of data.table's own language
. <- v <- g <- w <- .N <- NULL
if (has("data.table")) {
  data.table::setDTthreads(1L)
  .datatable.aware <- TRUE
}

# ---- one comparison ------------------------------------------------------------------------------

laps <- asked_rounds(5L)

#' Seconds of `mine` and `theirs` per call: in turn, the order changes with each round, so that drift meets both alike. Short
#' operations are repeated until a round takes 10 ms.
in_turn <- function(mine, theirs) {
  spent <- function(f, times) elapsed(function() for (i in seq_len(times)) f()) / times
  theirs()
  once <- spent(theirs, 1L)
  mine()
  times <- max(1L, min(100L, ceiling(0.01 / max(once, 1e-6))))
  rounds <- if (once > 0.3) min(laps, 3L) else if (once < 0.05) 3L * laps else laps
  t(vapply(seq_len(rounds), function(round) {
    if (round %% 2L) c(spent(mine, times), spent(theirs, times)) else rev(c(spent(theirs, times), spent(mine, times)))
  }, c(0, 0)))
}

#' The operations of one type on vectors of `n` elements: a data frame with the median of both and their ratio. The slow ones
#' take a tenth, and are left out where a tenth is another table's size.
compare_type <- function(type, n, with_slow) {
  side <- 500L
  sizes <- c(quick = n, slow = if (with_slow) n / 10)
  data <- lapply(sizes, function(size) {
    n <- as.integer(size) %/% side * side
    x <- elements(type, n)
    list(
      theirs = list(x = x, m = matrix(x, ncol = side), d = list(v = x)),
      mine = list(x = received(x), m = received(matrix(x, ncol = side)), d = received(list(v = x))),
      h = c(helpers(x), list(copy = rev(rev(x))))
    )
  })
  rows <- list()
  for (name in names(operations)) {
    o <- operations[[name]]
    if (!o$when || (!is.null(o$types) && !type %in% o$types)) next
    if (o$slow && !with_slow) next
    at <- data[[if (o$slow) "slow" else "quick"]]
    mine <- at$mine[[o$on]]
    theirs <- at$theirs[[o$on]]
    h <- at$h
    if (!identical(o$run(mine, h), o$run(theirs, h))) {
      verdict("FAIL", sprintf("%s of %s", name, type), "the values differ")
      next
    }
    spent <- in_turn(function() o$run(mine, h), function() o$run(theirs, h))
    middle <- apply(spent, 2L, stats::median)
    rows[[name]] <- data.frame(operation = name, ours = middle[1L], ordinary = middle[2L], ratio = middle[1L] / middle[2L])
  }
  rm(data)
  do.call(rbind, c(rows, make.row.names = FALSE))
}

show_rows <- function(title, rows) {
  cat("\n", title, "\n", sep = "")
  shown <- data.frame(
    operation = rows$operation, received = show_figure(rows$ours, "ms"), ordinary = show_figure(rows$ordinary, "ms"),
    ratio = sprintf("%.2f", rows$ratio)
  )
  lines <- utils::capture.output(print(shown, row.names = FALSE, right = FALSE))
  cat(paste0("  ", lines), sep = "\n")
}

#' Of one table: the median of all ratios, and the largest, say what a user feels; single ones vary by 5 % on a quiet machine.
judge <- function(title, rows, median_at_most, each_at_most) {
  worst <- rows[which.max(rows$ratio), ]
  said <- sprintf("median ratio of %d operations %.3f, largest %.2f (%s); must be <= %g, and each <= %g",
    nrow(rows), stats::median(rows$ratio), worst$ratio, worst$operation, median_at_most, each_at_most)
  ok <- stats::median(rows$ratio) <= median_at_most && worst$ratio <= each_at_most
  verdict(if (views) "SKIP" else if (ok) "PASS" else "FAIL", title, said)
}

few <- if (short) 2e5 else 2e6 # elements: 16 MB of doubles
busy <- numeric()
for (type in types) for (where in c("below", "above")) {
  if (!wanted(type, where) || (short && where == "above" && !"above" %in% chosen)) next
  n <- if (where == "above") 80e6 / bytes_each[[type]] else few
  title <- sprintf("%s of %.3g MB", type, n * bytes_each[[type]] / 1e6)
  busy <- c(busy, wait_for_quiet())
  rows <- compare_type(type, n, where == "below")
  show_rows(title, rows)
  judge(title, rows, if (type == "strings") 1.1 else 1.05, if (where == "above") 2.5 else 1.25)
  invisible(gc())
}

# ---- first touch ---------------------------------------------------------------------------------

# A page of shared memory is mapped when it is first read; one of an ordinary vector when it is first written.
if (wanted("touch")) {
  x <- elements("double", few)
  q <- Queue()
  spent <- vapply(1:9, function(i) {
    q$put(x)
    got <- elapsed(function() y <<- q$get())
    first <- elapsed(function() sum(y))
    c(got, first, elapsed(function() sum(y)), elapsed(function() y <<- x + 0))
  }, numeric(4))
  middle <- show_figure(apply(spent, 1L, stats::median), "ms")
  cat(sprintf("\nFirst touch: to receive %g MB takes %s, to sum it up for the first time %s, for the second %s;\n  to make an ordinary vector of that size (x + 0) takes %s\n",
    few * 8 / 1e6, middle[1L], middle[2L], middle[3L], middle[4L]))
}

finish(busy)
