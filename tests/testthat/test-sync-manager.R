test_that("a dict does what a dict does", {
  d <- Manager()$dict(b = 1, a = "x")
  expect_identical(names(d), c("b", "a"))
  d[["c"]] <- list(1, NULL, mean)
  d[["b"]] <- 2
  expect_identical(d$keys(), c("b", "a", "c"))
  expect_identical(d[["c"]][[3]](c(1, 3)), 2)
  expect_classed_error(d[["zz"]], "KeyError", "zz")
  expect_null(d$get("zz"))
  expect_identical(d$get("zz", 5), 5)
  expect_identical(d$pop("c")[1:2], list(1, NULL))
  expect_classed_error(d$pop("c"), "KeyError")
  expect_identical(d$pop("c", 7), 7)
  expect_identical(d$setdefault("n", 3), 3)
  expect_identical(d$setdefault("n", 4), 3)
  d$update(a = "y", `ein Schlüssel` = TRUE)
  d$update(list(z = NULL))
  expect_identical(d$items(), list(b = 2, a = "y", n = 3, `ein Schlüssel` = TRUE, z = NULL))
  expect_identical(as.list(d), d$items())
  expect_identical(d$values(), unname(d$items()))
  expect_length(d, 5)
  expect_true(d$contains("z"))
  expect_false(d$contains("y"))
  expect_identical(d$modify("b", function(x) x + 1), 3)
  expect_identical(d$modify("new", function(x) c(x, 1), default = 0), c(0, 1))
  expect_error(d$modify("b", function(x) stop("no")), "no")
  expect_identical(d[["b"]], 3)
  expect_output(print(d), "^<Dict #\\d+, 6 keys: b, a, n, ")
  d$clear()
  expect_identical(d$items(), structure(list(), names = character()))
  for (bad in list(1, NA_character_, c("a", "b"), NULL)) expect_classed_error(d[[bad]], "ValueError", "key")
  expect_classed_error(Manager()$dict(1, 2), "ValueError", "named")
})

test_that("large values and handles in a dict live as long as they are there", {
  d <- Manager()$dict()
  heap_blocks()
  before <- heap_blocks()
  x <- runif(1e5)
  d[["x"]] <- x
  d[["lock"]] <- Lock()
  d[["x"]] <- x + 1
  expect_identical(d[["x"]], x + 1)
  gc()
  d[["lock"]]$acquire()
  expect_true(d[["lock"]]$locked())
  y <- d$pop("x")
  d$pop("lock")
  expect_identical(y, x + 1)
  rm(y)
  d$clear()
  expect_identical(heap_blocks(), before)
})

test_that("a list does what a list does", {
  l <- Manager()$list(3, 1, 2)
  l$sort()
  expect_identical(as.list(l), list(1, 2, 3))
  l$append("four")
  l$extend(5:6)
  l$insert(1, 0)
  expect_identical(as.list(l), list(0, 1, 2, 3, "four", 5L, 6L))
  expect_identical(l$pop(), 6L)
  expect_identical(l$pop(1), 0)
  l[[2]] <- NULL
  expect_null(l[[2]])
  l$remove("four")
  l$reverse()
  expect_identical(as.list(l), list(5L, 3, NULL, 1))
  expect_length(l, 4)
  for (i in list(0, 5, 1.5, "a", NA)) expect_classed_error(l[[i]], "IndexError")
  expect_classed_error(l[[5]] <- 1, "IndexError")
  expect_classed_error(l$remove("none"), "ValueError")
  l$clear()
  expect_classed_error(l$pop(), "IndexError")
})

test_that("a dict is made of another one, copied, and gives its newest entry first", {
  m <- Manager()
  d <- m$dict(m$dict(a = 1, b = NULL))
  d$update(c(c = 3))
  expect_identical(d$copy(), list(a = 1, b = NULL, c = 3))
  expect_identical(m$dict(m$Namespace(x = 1))$items(), list(x = 1))
  expect_identical(d$popitem(), list(c = 3))
  expect_identical(d$popitem(), list(b = NULL))
  expect_identical(d$popitem(), list(a = 1))
  expect_classed_error(d$popitem(), "KeyError", "no entry")
  expect_classed_error(m$dict(Queue()), "ValueError", "named")
  expect_classed_error(d$update(Queue()), "ValueError", "named")
})

test_that("the entries of a dict are popped by several processes, each once", {
  d <- Manager()$dict(as.list(stats::setNames(1:200, paste0("k", 1:200))))
  pop <- function() {
    mine <- list()
    tryCatch(repeat mine <- c(mine, d$popitem()), KeyError = function(e) mine)
  }
  ps <- lapply(1:2, function(i) Process(pop)$start())
  got <- unlist(lapply(ps, function(p) p$value(60)))
  expect_identical(sort(unname(got)), 1:200)
  expect_identical(names(got), paste0("k", got))
})

test_that("elements of a list are read, put and removed by several indices, counted and found", {
  l <- Manager()$list(5:1)
  expect_identical(l[2:3], list(4L, 3L))
  expect_identical(l[-1], list(4L, 3L, 2L, 1L))
  expect_identical(l[c(TRUE, FALSE)], list(5L, 3L, 1L))
  expect_identical(l[], as.list(5:1))
  expect_identical(l[0], list())
  expect_identical(l$copy(), as.list(5:1))
  l[2:3] <- list(NULL, "three")
  expect_identical(as.list(l), list(5L, NULL, "three", 2L, 1L))
  l[4:5] <- c(9, 9)
  expect_identical(l$count(9), 2L)
  expect_identical(l$count("none"), 0L)
  expect_identical(l$index(9), 4L)
  expect_classed_error(l$index("none"), "ValueError", "identical")
  l[2:4] <- NULL
  expect_identical(as.list(l), list(5L, 9))
  for (bad in list(3, 1:3, "a", NA_real_)) {
    expect_classed_error(l[bad], "IndexError")
    expect_classed_error(l[bad] <- 1, "IndexError")
  }
  l[] <- NULL
  expect_length(l, 0)
})

test_that("a set does what a set does", {
  m <- Manager()
  s <- m$set("a", "b", "a")
  expect_length(s, 2)
  for (x in c("c", "a")) s$add(x)
  expect_identical(as.list(s), list("a", "b", "c"))
  expect_true(s$contains("c") && !s$contains("d"))
  expect_identical(m$set(c(1, 2, 1))$copy(), list(1, 2))
  expect_identical(m$set(s)$copy(), s$copy())
  expect_identical(s$union(c("c", "d"), "e"), as.list(letters[1:5]))
  expect_identical(s$intersection(c("b", "c", "d"), c("c", "a")), list("c"))
  expect_identical(s$difference("a", "b"), list("c"))
  expect_identical(s$symmetric_difference(c("b", "c", "d", "d")), list("a", "d"))
  expect_length(s, 3)
  expect_identical(c(s$isdisjoint(c("d", "e")), s$isdisjoint(c("d", "a"))), c(TRUE, FALSE))
  expect_identical(c(s$issubset(letters), s$issubset(c("a", "b")), s$issubset(s)), c(TRUE, FALSE, TRUE))
  expect_identical(c(s$issuperset(c("a", "b")), s$issuperset(c("a", "d"))), c(TRUE, FALSE))
  s$discard("a")
  s$discard("a")
  expect_classed_error(s$remove("a"), "KeyError", "\"a\"")
  s$remove("b")
  s$update(c("x", "y"), list("c", 1L, 1, NULL))
  expect_identical(s$copy(), list("c", "x", "y", 1L, 1, NULL))
  s$intersection_update(list("x", 1, NULL))
  s$difference_update(list(NULL))
  s$symmetric_difference_update(c("x", "z"))
  expect_identical(s$copy(), list(1, "z"))
  expect_output(print(s), "^<Set #\\d+, 2 elements>")
  popped <- s$pop()
  expect_false(s$contains(popped))
  s$clear()
  expect_classed_error(s$pop(), "KeyError", "empty")
  for (method in get_all_start_methods()) {
    p <- Process(function(s, method) {
      s$add(method)
      class(s)[1]
    }, list(s, method), context = method)$start()
    expect_identical(p$value(60), "Set")
  }
  expect_setequal(unlist(as.list(s)), get_all_start_methods())
})

test_that("each of two processes that add to a set at once adds its elements", {
  s <- Manager()$set()
  ps <- lapply(1:2, function(i) Process(function() for (k in 1:100) s$add((2 - i) * 50 + k))$start())
  for (p in ps) p$join()
  expect_setequal(unlist(as.list(s)), 1:150)
})

test_that("handles and code are elements of a list as they are", {
  m <- Manager()
  inner <- m$list(1, 2)
  outer <- m$list(inner)
  outer[[1]]$append(3)
  expect_length(inner, 3)
  expect_length(outer, 1)
  expect_s3_class(m$list(Queue())[[1]], "Queue")
  expect_identical(as.list(m$list(quote(a + b))), list(quote(a + b)))
  outer$extend(inner)
  expect_identical(outer[2:4], list(1, 2, 3))
  expect_classed_error(outer$extend(Queue()), "ValueError")
})

test_that("a name space does what one does", {
  ns <- Manager()$Namespace(x = 1)
  ns$x <- ns$x + 1
  ns$get <- "a name as any other"
  expect_identical(ns$x, 2)
  expect_identical(ns$get, "a name as any other")
  expect_classed_error(ns$y, "KeyError")
  ns$get <- NULL
  expect_identical(names(ns), "x")
  expect_identical(as.list(ns), list(x = 2))
  expect_output(print(ns), "^<Namespace #\\d+: x>")
})

test_that("what a manager makes is seen by children, whatever their start method, and travels", {
  m <- Manager()
  d <- m$dict()
  l <- m$list()
  ns <- m$Namespace()
  for (method in c("fork", "spawn")) {
    p <- Process(function(d, l, ns, method) {
      d[[method]] <- Sys.getpid()
      l$append(method)
      ns$last <- method
      c(class(d)[1], class(l)[1], class(ns)[1])
    }, list(d, l, ns, method), context = method)$start()
    expect_identical(p$value(60), c("Dict", "List", "Namespace"))
    expect_identical(d[[method]], p$pid)
    expect_identical(ns$last, method)
  }
  expect_identical(as.list(l), list("fork", "spawn"))
  q <- Queue()
  q$put(list(d))
  copy <- q$get()[[1]]
  copy[["more"]] <- 1
  expect_identical(names(d), c("fork", "spawn", "more"))
  expect_identical(m$Value("integer", 3)$value, 3L)
})

test_that("modify() is atomic, beside plain puts, too", {
  d <- Manager()$dict(n = 0)
  n <- rounds(3000, 200)
  ps <- lapply(1:3, function(i) {
    Process(function() for (k in seq_len(n)) {
      d$modify("n", function(x) x + 1)
      d[["other"]] <- k
    })$start()
  })
  for (p in ps) p$join()
  expect_identical(d[["n"]], 3 * n)
})

test_that("random operations of eight processes on one dict end as a model of each says", {
  d <- Manager()$dict()
  n <- rounds(12500, 300)
  ps <- lapply(1:8, function(i) {
    Process(function() {
      set.seed(i)
      model <- list()
      for (k in seq_len(n)) {
        key <- paste0(i, "/", sample(30, 1))
        switch(sample(5, 1),
          d[[key]] <- model[[key]] <- runif(sample(c(1, 40, 1000), 1)),
          if (!identical(d$get(key), model[[key]])) stop("not what was put"),
          {
            if (!identical(d$pop(key, NULL), model[[key]])) stop("not what was put")
            model[[key]] <- NULL
          },
          model[[key]] <- d$modify(key, function(x) c(x, 1)),
          if (d$contains(key) != !is.null(model[[key]])) stop("not what was put")
        )
      }
      model
    })$start()
  })
  models <- do.call(c, lapply(ps, function(p) p$value(300)))
  found <- d$items()
  expect_setequal(names(found), names(models))
  expect_identical(found[names(models)], models)
})

test_that("processes that are killed in the middle of operations leave a dict whole, with all that returned", {
  d <- Manager()$dict()
  reached <- Array("integer", 3, lock = FALSE)
  for (round in seq_len(rounds(700, 8))) {
    ps <- lapply(1:3, function(i) {
      Process(function() {
        key <- as.character(i)
        for (k in reached[i] + seq_len(1e6)) {
          d[[key]] <- c(k, runif(sample(c(0, 10, 2000), 1)))
          reached[i] <- k
          if (k %% 3 == 0) d$pop("shared", NULL) else d$modify("shared", function(x) c(k, x[1]))
        }
      })$start()
    })
    random_moment(0.05)
    for (p in ps) p$kill()
    for (p in ps) p$join()
    for (i in 1:3) {
      there <- d$get(as.character(i), 0)[1]
      expect_true(there == reached[i] || there == reached[i] + 1)
      reached[i] <- there
    }
    expect_length(d, length(d$items()))
  }
  expect_sound_heap()
})
