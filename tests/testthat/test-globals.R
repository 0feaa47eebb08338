set_global <- function(..., frame = parent.frame()) {
  values <- list(...)
  list2env(values, globalenv())
  do.call(on.exit, list(bquote(rm(list = .(names(values)), envir = globalenv())), add = TRUE), envir = frame)
}

test_that("workers see a global variable's present value, also after it changed", {
  pool <- local_pool(2)
  set_global(mp_factor = 2)
  f <- in_global(function(x) x * mp_factor)
  expect_identical(pool$map(f, 1:3, template = numeric(1)), c(2, 4, 6))
  assign("mp_factor", 10, globalenv())
  expect_identical(pool$map(f, 1:3, template = numeric(1)), c(10, 20, 30))
  assign("mp_factor", -1, globalenv())
  expect_identical(unlist(as.list(pool$imap(f, 1:3))), c(-1, -2, -3))
})

test_that("variables that did not exist when the pool started are there", {
  pool <- local_pool(2)
  pool$map(identity, 1:2)
  set_global(mp_later = "new", mp_helper = in_global(function(x) paste(mp_later, x)))
  expect_identical(pool$map(in_global(function(x) mp_helper(x)), 1:2), list("new 1", "new 2"))
  expect_identical(pool$apply(in_global(function() mp_helper("a"))), "new a")
})

test_that("functions that call each other travel together, recursive ones too", {
  pool <- local_pool(1)
  set_global(
    mp_even = in_global(function(n) if (n == 0) TRUE else mp_odd(n - 1)),
    mp_odd = in_global(function(n) if (n == 0) FALSE else mp_even(n - 1))
  )
  expect_identical(pool$map(in_global(function(n) mp_even(n)), 0:3), list(TRUE, FALSE, TRUE, FALSE))
})

test_that("a changed helper is used, not the one of the last call", {
  pool <- local_pool(1)
  set_global(mp_helper = in_global(function(x) "old"))
  f <- in_global(function(x) mp_helper(x))
  expect_identical(pool$map(f, 1), list("old"))
  assign("mp_helper", in_global(function(x) "new"), globalenv())
  expect_identical(pool$map(f, 1), list("new"))
})

test_that("a local closure takes its variables along, with their values at the time", {
  pool <- local_pool(2)
  make <- function(a) function(x) x + a
  expect_identical(pool$map(make(10), 1:2), list(11, 12))
  b <- 1
  f <- function(x) x + b
  expect_identical(pool$map(f, 1:2), list(2, 3))
  b <- 100
  expect_identical(pool$map(f, 1:2), list(101, 102))
})

test_that("a function that is changed in place of another one is the new one", {
  pool <- local_pool(1)
  set_global(mp_fun = in_global(function(x) 1))
  expect_identical(pool$map(mp_fun, 1), list(1))
  assign("mp_fun", in_global(function(x) 2), globalenv())
  expect_identical(pool$map(mp_fun, 1), list(2))
})

test_that("functions among args and elements bring their variables", {
  pool <- local_pool(1)
  set_global(mp_offset = 5)
  g <- in_global(function(x) x + mp_offset)
  expect_identical(pool$map(function(x, g) g(x), 1, args = list(g)), list(6))
  expect_identical(pool$apply(function(g) g(2), list(g)), 7)
})

test_that("packages attached after the pool started are attached in the workers", {
  pool <- local_pool(2)
  pool$map(identity, 1:2)
  skip_if("package:splines" %in% search())
  library(splines)
  on.exit(detach("package:splines"), add = TRUE)
  expect_identical(pool$map(in_global(function(i) dim(bs(1:10, df = 4))), 1:2), list(c(10L, 4L), c(10L, 4L)))
})

test_that("a variable of the worker's own is not visible here", {
  pool <- local_pool(1)
  pool$apply(in_global(function() assign("mp_only_there", 1, globalenv())))
  expect_false(exists("mp_only_there", globalenv()))
})

test_that("a task's variable named like R6's or ours does no harm", {
  pool <- local_pool(1)
  set_global(X = "mine", i = "my i", FUN = in_global(function() "my FUN"), args = "my args")
  expect_identical(pool$map(in_global(function(x) list(X, i, FUN(), args)), 1), list(list("mine", "my i", "my FUN", "my args")))
})

test_that("locks and queues in the global environment are the same objects in workers", {
  pool <- local_pool(2)
  set_global(mp_lock = Lock(), mp_queue = Queue())
  f <- in_global(function(i) {
    mp_lock$acquire()
    mp_queue$put(i)
    mp_lock$release()
  })
  pool$map(f, 1:10)
  expect_equal(mp_queue$qsize(), 10)
  expect_setequal(vapply(1:10, function(k) mp_queue$get(), 1L), 1:10)
  expect_false(mp_lock$locked())
})

test_that("a function that was mapped is not kept, nor what lies in its environment", {
  pool <- local_pool(1)
  gone <- FALSE
  map_local <- in_global(function(pool, note) {
    large <- new.env()
    reg.finalizer(large, function(e) note())
    pool$map(function(i) i + 1, 1:3)
  })
  expect_identical(map_local(pool, function() gone <<- TRUE), list(2, 3, 4))
  pool$map(identity, 1)
  gc()
  gc()
  expect_true(gone)
})

test_that("a variable that becomes local hides the global one", {
  pool <- local_pool(1)
  set_global(mp_value = "global")
  make <- in_global(function(hide) {
    if (hide) mp_value <- "local"
    function(i) mp_value
  })
  expect_identical(pool$map(make(FALSE), 1), list("global"))
  expect_identical(pool$map(make(TRUE), 1), list("local"))
})

test_that("a large variable whose attributes cannot be shared travels as others do", {
  skip_on_cran()
  seen <- in_background_r(function() {
    library(multiprocessing)
    model <- stats::model.frame(y ~ x, data.frame(y = stats::rnorm(1e5), x = 0))
    numbers <- structure(as.numeric(1:1e5), by = function(x) x + 1)
    assign("model", model, globalenv())
    assign("numbers", numbers, globalenv())
    use <- eval(quote(function(i) c(nrow(model), attr(numbers, "by")(numbers[i]))), globalenv())
    pool <- Pool(1)
    got <- list(pool$map(use, 1:2), pool$map(use, 3))
    pool$terminate()
    got
  })
  expect_identical(seen, list(list(c(1e5, 2), c(1e5, 3)), list(c(1e5, 4))))
})

test_that("a large variable travels once, and again when it has changed, in place too", {
  skip_on_cran()
  seen <- in_background_r(function() {
    library(multiprocessing)
    blocks <- function() {
      usage <- memory_usage()
      usage$id[usage$kind == "data" & usage$bytes > 2^20]
    }
    assign("big", runif(2e5), globalenv())
    total <- eval(quote(function(i) sum(big) + i), globalenv())
    environment(total) <- globalenv()
    pool <- Pool(2)
    first <- pool$map(total, 1:4)
    ids <- blocks()
    second <- pool$map(total, 1:4)
    same <- identical(ids, blocks()) && length(ids) == 1L
    old <- sum(big)
    eval(quote(big[7] <- 1000), globalenv())
    third <- pool$map(total, 1:4)
    new <- sum(big)
    other <- !all(blocks() %in% ids)
    pool$terminate()
    list(
      once = same, right = identical(first, second) && isTRUE(all.equal(first[[1]], old + 1)),
      again = isTRUE(all.equal(third[[1]], new + 1)), replaced = other
    )
  })
  expect_identical(seen, list(once = TRUE, right = TRUE, again = TRUE, replaced = TRUE))
})

test_that("promises and active bindings that stop are not evaluated before a task asks for them", {
  stops <- function() stop("evaluated too early")
  for (name in c(".__enclos_env__", "private")) {
    user <- structure(new.env(), class = "of_a_user")
    user$x <- 5
    delayedAssign(name, stops(), assign.env = user)
    active <- structure(new.env(), class = c("multiprocessing_lock", "multiprocessing_handle"))
    active$x <- 6
    makeActiveBinding(name, stops, active)
    delayedAssign("lazy_of_a_test", stop("evaluated too early"), assign.env = globalenv())
    for (method in c("fork", "spawn")) {
      pool <- local_pool(1, context = method)
      expect_identical(pool$map(function(e) get("x", envir = e), list(user)), list(5))
      expect_identical(pool$apply(function() user$x), 5)
      expect_identical(pool$apply(function() get("x", envir = active)), 6)
      error <- error_of(suppressWarnings(pool$apply(function() lazy_of_a_test)))
      expect_s3_class(error, "error")
      expect_identical(pool$apply(function() 1), 1)
      pool$terminate()
    }
    queue <- Queue()
    queue$put(user)
    expect_identical(queue$get()$x, 5)
    expect_identical(unlist(mclapply(1:2, function(i) user$x + i, mc.cores = 2)), c(6, 7))
    expect_error(wait(list(active), 0), "cannot wait")
    rm("lazy_of_a_test", envir = globalenv())
  }
})

test_that("the heap is sound after all of this", {
  expect_sound_heap()
})

test_that("functions are found that assignments call, and variables in the defaults of inner functions", {
  pool <- local_pool(2)
  set_global(
    mp_value = 7,
    `mp_second<-` = in_global(function(x, value) replace(x, 2L, value))
  )
  replaces <- in_global(function(x) {
    mp_second(x) <- 0
    x
  })
  for (f in c(replaces, compiler::cmpfun(replaces))) {
    expect_identical(pool$map(f, list(1:2, 3:4)), list(c(1, 0), c(3, 0)))
    expect_identical(pool$apply(f, list(1:2)), c(1, 0))
  }
  inner <- in_global(function(x) {
    g <- function(a = (function(b = mp_value) b)()) a
    g() + x
  })
  expect_identical(pool$map(inner, 1:2), list(8, 9))
  expect_identical(pool$apply(inner, list(1)), 8)
})

test_that("methods that packages have not loaded yet stay on the disk, and those of the session are found", {
  table <- asNamespace("stats")[[".__S3MethodsTable__."]]
  forced <- FALSE
  delayedAssign("update.wt_package", { forced <- TRUE; function(object, ...) NULL }, assign.env = table)
  registerS3method("update", "wt_session", in_global(function(object, ...) "session"), envir = asNamespace("stats"))
  on.exit(rm(list = c("update.wt_package", "update.wt_session"), envir = table))
  found <- multiprocessing:::methods_of_session()
  expect_false(forced)
  expect_true("update.wt_session" %in% vapply(found, `[[`, "", 2L))
})
