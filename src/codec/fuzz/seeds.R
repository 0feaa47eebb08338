# Values of all kinds that the codec writes, small ones mostly: what the fuzzer starts from. Only R's
# base package is attached.
local({
  text <- c("", "a", "NA", NA, "\u00e9t\u00e9", "\u65e5\u672c", "latin\xe9", "\xff\xfe", "a longer one")
  Encoding(text) <- c(rep("unknown", 4), "UTF-8", "UTF-8", "latin1", "bytes", "unknown")
  odd <- c(-0, 0, NA, NaN, Inf, -Inf, pi, 5e-324)
  frame <- data.frame(
    n = c(1.5, NA, 3), i = 1:3 + 0L, l = c(TRUE, NA, FALSE), s = c("x", NA, "\u00e9"),
    f = factor(c("b", "a", NA)), d = as.Date("2020-01-01") + 0:2
  )
  deep <- NULL
  for (i in 1:510) deep <- list(deep)
  table <- structure(list(a = 1:3 + 0L),
    row.names = c(NA, -3L), class = c("data.table", "data.frame"), .internal.selfref = handles[[5]]
  )
  list(
    NULL, TRUE, NA, 1L, 2.5, 1i, as.raw(1:3), "text", NA_character_, list(),
    logical(), integer(), double(), complex(), raw(), character(),
    c(TRUE, NA, FALSE), c(1L, NA, -5L), odd, complex(real = odd, imaginary = 1), as.raw(0:255), text,
    list(1, "a", NULL, list(x = 1:3 + 0L, list())), lapply(1:20, function(i) i + 0), as.list(text),
    frame, frame[0, ], frame[c(3, 1), ], data.frame(), table,
    factor(letters, rev(letters)), as.POSIXlt("2020-01-01", tz = "UTC"), Sys.time(),
    matrix(1:6 + 0L, 2), matrix(odd, 2, dimnames = list(c("r", "s"), NULL)), array(0, c(2, 0, 3)),
    array(text[1:8], c(2, 2, 2), list(a = c("1", "2"), b = NULL, c = letters[1:2])),
    structure(c(1, 4, 9), tsp = c(2000, 2002, 1), class = "ts"),
    structure(list(1, 2), dim = 1:2), structure(list(), names = character()),
    structure(1, deep = structure(list(2), deeper = frame)), structure(1:3 + 0, names = text[1:3]),
    structure("x", class = text[c(2, 9)], comment = "y", levels = NULL, zeta = text),
    deep, handles[[1]], list(handles[[2]], handles[[6]], list(handles[[3]])),
    structure(1L, owner = handles[[7]]), structure(list(a = 1), lock = handles[[4]]),
    quote(a + b), function(x) x + 1, list(1, as.name("x")), # R's serializer
    sin(1:500), seq_len(3000) + 0L, rep(text, 30), as.list(cos(1:100)), strrep("long", 500)
  )
})
