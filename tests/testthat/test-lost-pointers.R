# Connections and live pointers: an error that names them, or the worker's own.
test_that("a connection is an error that names it, or the worker's own", {
  on.exit(suppressWarnings(rm("wt_con", envir = globalenv())))
  own <- in_global(function() assign("wt_con", "own", globalenv()))
  each_pool(function(pool, method) {
    con <- file(tempfile(), "w")
    assign("wt_con", con, globalenv())
    expect_classed_error(pool$apply(in_global(function() wt_con)), "EncodingError", "wt_con")
    expect_identical(pool$apply(in_global(function() 1)), 1)
    after <- Pool(1, context = method, initializer = own)
    expect_identical(after$apply(in_global(function() wt_con)), "own")
    after$terminate()
    rm("wt_con", envir = globalenv())
    close(con)
  })
})

test_that("a worker that was forked after a connection or a pointer was made uses its own", {
  on.exit(suppressWarnings(rm(list = c("wt_con", "wt_pointer"), envir = globalenv())))
  file <- tempfile()
  con <- file(file, "w")
  assign("wt_con", con, globalenv())
  pointer <- getDLLRegisteredRoutines("stats")$.Call[[1L]]$address
  assign("wt_pointer", pointer, globalenv())
  pool <- local_pool(1, context = "fork")
  expect_identical(pool$apply(in_global(function() {
    writeLines("by the worker", wt_con)
    flush(wt_con)
    typeof(wt_pointer)
  })), "externalptr")
  expect_identical(readLines(file), "by the worker")
  close(con)
  rm("wt_pointer", envir = globalenv())
  each_pool(function(pool, method) {
    later <- getDLLRegisteredRoutines("stats")$.Call[[1L]]$address
    assign("wt_pointer", later, globalenv())
    expect_classed_error(pool$apply(in_global(function() wt_pointer)), "EncodingError", "wt_pointer")
    assign("wt_pointer", list(n = 1, p = later), globalenv())
    expect_identical(pool$apply(in_global(function() c(wt_pointer$n, typeof(wt_pointer$p)))), c("1", "externalptr"))
    rm("wt_pointer", envir = globalenv())
  })
})

test_that("a connection or a pointer in a function's own environment is an error that names the path", {
  each_pool(function(pool, method) {
    con <- file(tempfile(), "w+")
    on.exit(close(con))
    held <- list(con = con, pointer = getDLLRegisteredRoutines("stats")$.Call[[1L]]$address, nested = list(a = 1, b = list(con)))
    make <- function(code) {
      local <- list2env(c(held, inner = function() NULL), parent = globalenv())
      environment(local$inner) <- local
      body(local$inner) <- quote(summary(con))
      eval(call("function", NULL, code), local)
    }
    refused <- function(code, path) expect_classed_error(pool$apply(make(code)), "EncodingError", paste0("`", path, "` cannot be sent"))
    refused(quote(writeLines("a", con)), "con")
    refused(quote(inner()), "con")
    refused(quote(pointer), "pointer")
    refused(quote(nested$b), "nested\\$b\\[\\[1\\]\\]")
    expect_identical(pool$apply(make(quote(1 + 1))), 2)
    expect_identical(pool$apply(make(quote({
      con <<- 5 # what the task sets is its own
      con
    }))), 5)
    if (method == "fork") return()
    capture.output(type = "message", {
      expect_classed_error(Process(make(quote(summary(con))), context = method)$start()$value(60), "EncodingError", "`con`")
    })
  })
})

test_that("a connection or a pointer of functions that are arguments, elements, or in lists is an error that names the path", {
  each_pool(function(pool, method) {
    con <- file(tempfile(), "w+")
    on.exit(close(con))
    held <- list(con = con, pointer = getDLLRegisteredRoutines("stats")$.Call[[1L]]$address)
    local <- list2env(held, parent = globalenv())
    writes <- eval(quote(function() writeLines("a", con)), local)
    looks <- eval(quote(function() pointer), local)
    outer <- eval(quote(function() all$writes()), list2env(list(all = list(writes = writes)), parent = globalenv()))
    refused <- function(code, path) expect_classed_error(code, "EncodingError", paste0("`", path, "` cannot be sent"))
    call_it <- (function(f) f())
    call_in <- (function(x) x$deep[[1]]())
    call_second <- (function(x, f) f())
    refused(pool$apply(call_it, list(writes)), "con")
    refused(pool$apply(call_it, list(looks)), "pointer")
    refused(pool$map(call_it, list(writes)), "con")
    refused(pool$map(call_it, list(function() 1, looks)), "pointer")
    refused(pool$apply(call_in, list(list(deep = list(writes)))), "con")
    refused(pool$map(call_in, list(list(deep = list(looks)))), "pointer")
    refused(pool$map(call_second, 1:2, args = list(f = writes)), "con")
    refused(pool$apply(outer), "con")
    if (method == "fork") return()
    capture.output(type = "message", {
      expect_classed_error(Process(call_it, list(writes), context = method)$start()$value(60), "EncodingError", "`con`")
      many <- list(as.list(1:2000), writes)
      expect_classed_error(Process(call_second, many, context = method)$start()$value(60), "EncodingError", "`con`")
    })
  })
})

test_that("a connection or a pointer in an environment or an object that is an argument or an element is an error that names the path", {
  each_pool(function(pool, method) {
    con <- file(tempfile(), "w+")
    on.exit(close(con))
    held <- list(con = con, pointer = getDLLRegisteredRoutines("stats")$.Call[[1L]]$address, n = 1, all = list(1, out = con))
    held$inner <- list2env(held["con"], parent = emptyenv())
    Holder <- R6::R6Class(
      public = list(
        con = NULL, n = 1, initialize = function(con) self$con <- private$own <- con,
        write = function() writeLines("a", private$own)
      ),
      private = list(own = NULL), parent_env = globalenv()
    )
    Reference <- methods::setRefClass("lost_reference", fields = list(con = "ANY", n = "numeric"), where = globalenv())
    on.exit(methods::removeClass("lost_reference", where = globalenv()), add = TRUE)
    values <- list(
      environment = list2env(held, parent = globalenv()), bare = list2env(held, parent = emptyenv()),
      locked = list2env(held, parent = globalenv()), object = Holder$new(con), reference = Reference$new(con = con, n = 1)
    )
    lockEnvironment(values$locked, bindings = TRUE)
    look <- list(
      con = in_global(function(x) x$con), pointer = in_global(function(x) x$pointer), all = in_global(function(x) x$all),
      inner = in_global(function(x) x$inner$con), write = in_global(function(x) x$write()), n = in_global(function(x) x$n)
    )
    refused <- function(call, path) expect_classed_error(call, "EncodingError", paste0("`", path, "` cannot be sent"))
    each_way <- function(look, value, path) {
      refused(pool$apply(look, list(x = value)), paste0("x[$]", path))
      refused(pool$apply(look, list(value)), paste0("[.][.]1[$]", path))
      refused(pool$starmap(look, list(list(x = value))), paste0("x[$]", path))
      refused(pool$map(look, list(value)), path)
      refused(pool$map(in_global(function(i, x, look) look(x)), 1, args = list(x = value, look = look)), paste0("x[$]", path))
    }
    for (value in values) {
      each_way(look$con, value, "con")
      expect_identical(pool$apply(look$n, list(value)), 1)
    }
    for (value in values[c("environment", "bare", "locked")]) {
      each_way(look$pointer, value, "pointer")
      each_way(look$all, value, "all[$]out")
      each_way(look$inner, value, "inner[$]con")
    }
    refused(pool$apply(look$write, list(values$object)), ".*own")
    twice <- in_global(function(x) {
      look <- function() tryCatch(x$con, warning = function(w) "a warning", error = function(e) "an error")
      c(look(), look())
    })
    for (value in values) expect_identical(pool$apply(twice, list(value)), c("an error", "an error"))
    refused(pool$map(in_global(function(x) x$deep[[1]]$con), list(list(deep = list(values$bare)))), "[$]deep\\[\\[1\\]\\][$]con")
    # in a variable, and around a function
    assign("wt_holder", values$object, globalenv())
    refused(pool$apply(in_global(function() wt_holder$con)), "wt_holder[$]con")
    expect_identical(pool$apply(in_global(function() wt_holder$n)), 1)
    rm("wt_holder", envir = globalenv())
    around <- eval(quote(function() it$con), list2env(list(it = values$bare), parent = globalenv()))
    refused(pool$apply(around), "it[$]con")
    # what comes back is as it was
    expect_identical(pool$apply(in_global(function(x) x), list(values$environment))$n, 1)
    expect_s3_class(pool$apply(in_global(function(x) x), list(values$locked))$con, "connection")
    if (method == "fork") return()
    capture.output(type = "message", {
      process <- Process(look$con, list(x = values$bare), context = method)
      expect_classed_error(process$start()$value(60), "EncodingError", "`x[$]con`")
    })
  })
})

test_that("what was refused in a worker is itself again in the session, in a function that the task returns", {
  each_pool(function(pool, method) {
    con <- file(tempfile(), "w+")
    on.exit(close(con))
    made <- local({
      con <- con
      function() function() summary(con)$opened
    }, list2env(list(con = con), parent = globalenv()))
    expect_identical(pool$apply(made)(), "opened")
  })
})

test_that("a fork that began with a connection uses it, and no other that was opened in its place later", {
  use <- function(con) eval(quote(function() {
    writeLines("by the worker", con)
    flush(con)
  }), list2env(list(con = con), parent = globalenv()))
  first <- tempfile()
  con <- file(first, "w")
  pool <- local_pool(1, context = "fork")
  pool$apply(use(con))
  expect_identical(readLines(first), "by the worker")
  number <- as.integer(con)
  close(con)
  con <- file(tempfile(), "w")
  on.exit(close(con), add = TRUE)
  expect_identical(as.integer(con), number)
  expect_classed_error(pool$apply(use(con)), "EncodingError", "con")
  expect_identical(readLines(first), "by the worker")
})

test_that("a forked worker uses its own pointers in variables that are made after it, if the pointers are older", {
  on.exit(suppressWarnings(rm(list = c("wt_pointer", "wt_function"), envir = globalenv())))
  address <- function(name) getDLLRegisteredRoutines("stats")$.Call[[name]]$address
  holding <- function(pointer) eval(quote(function() pointer), list2env(list(pointer = pointer), parent = globalenv()))
  with_pointer <- function(pointer) as.function(list(call("{", pointer)), envir = globalenv()) # as compiled functions have it
  shown <- in_global(function() format(wt_pointer))
  called <- in_global(function() format(wt_function()))
  old <- address(1L)
  pool <- local_pool(1, context = "fork")
  pool$apply(in_global(function() 1))
  assign("wt_pointer", old, globalenv())
  expect_identical(pool$apply(shown), format(old))
  for (make in list(holding, with_pointer)) {
    assign("wt_function", make(old), globalenv())
    expect_identical(pool$apply(called), format(old))
  }
  late <- address(2L)
  assign("wt_pointer", late, globalenv())
  expect_classed_error(pool$apply(shown), "EncodingError", "`wt_pointer` cannot be sent")
  for (make in list(holding, with_pointer)) {
    assign("wt_function", make(late), globalenv())
    expect_classed_error(pool$apply(called), "EncodingError", "`wt_function` cannot be sent")
  }
  assign("wt_pointer", old, globalenv())
  expect_identical(pool$apply(shown), format(old))
  spawned <- local_pool(1, context = "spawn")
  expect_classed_error(spawned$apply(shown), "EncodingError", "`wt_pointer` cannot be sent")
})

test_that("the large data beside a pointer in a function change nothing: a forked worker that has the pointer uses it", {
  on.exit(suppressWarnings(rm(list = "wt_function", envir = globalenv())))
  address <- function(name) getDLLRegisteredRoutines("stats")$.Call[[name]]$address
  holding <- function(pointer, data) eval(quote(function() c(format(pointer), length(data))), list2env(list(pointer = pointer, data = data), parent = globalenv()))
  called <- in_global(function() wt_function())
  old <- address(1L)
  pool <- local_pool(1, context = "fork")
  late <- address(2L)
  n <- 100000L
  for (data in list(numeric(n), as.list(seq_len(n)))) {
    assign("wt_function", holding(old, data), globalenv())
    expect_identical(pool$apply(called), c(format(old), n))
    assign("wt_function", holding(old, 1), globalenv())
    expect_identical(pool$apply(called), c(format(old), "1"))
    assign("data", data, environment(get("wt_function", globalenv()))) # it grows
    expect_identical(pool$apply(called), c(format(old), n))
    assign("wt_function", holding(late, data), globalenv())
    expect_match(conditionMessage(error_of(pool$apply(called))), "`pointer` cannot be sent to another process: it has a pointer")
  }
})

test_that("a forked worker uses its own pointers in functions, arguments and elements, if they were made before it", {
  address <- function(name) getDLLRegisteredRoutines("stats")$.Call[[name]]$address
  old <- address(1L)
  holder <- list(deep = list(pointer = old))
  use <- eval(quote(function() pointer), list2env(list(pointer = old), parent = globalenv()))
  same <- in_global(function(x, shown) identical(format(x), shown))
  shown <- format(old)
  expect_match(shown, "pointer: 0x")
  call_it <- in_global(function(f, shown) identical(format(f()), shown))
  pool <- local_pool(2, context = "fork")
  uses_own <- function() {
    expect_true(pool$apply(call_it, list(use, shown)))
    expect_identical(unlist(pool$map(call_it, list(use, use, use), args = list(shown = shown), chunksize = 1)), c(TRUE, TRUE, TRUE))
    expect_true(pool$apply(same, list(old, shown)))
    expect_true(pool$apply(in_global(function(x, shown) identical(format(x$deep$pointer), shown)), list(holder, shown)))
    expect_true(pool$apply(in_global(function(x, shown) identical(format(x$it), shown)), list(list2env(list(it = old)), shown)))
    expect_identical(format(pool$apply(use)), format(new("externalptr"))) # back here it is empty, as serialize() leaves it
  }
  uses_own()
  # those that come later find the same
  for (pid in pool$status()$pid) kill_9(pid)
  expect_true(wait_until(function() !anyNA(pool$status()$pid) && !length(intersect(pool$status()$pid, pid))))
  uses_own()
  # one that was made later, or of a new R, has none
  late <- eval(quote(function() pointer), list2env(list(pointer = address(2L)), parent = globalenv()))
  expect_classed_error(pool$apply(call_it, list(late, shown)), "EncodingError", "`pointer`")
  spawned <- local_pool(1, context = "spawn")
  expect_classed_error(spawned$apply(call_it, list(use, shown)), "EncodingError", "`pointer`")
  # what the session has dropped is dropped with the pool
  dropped <- FALSE
  local({
    short <- address(3L)
    reg.finalizer(short, function(x) dropped <<- TRUE)
    pool <- local_pool(1, context = "fork")
    rm(short)
    gc()
    expect_false(dropped)
  })
  gc()
  expect_true(dropped)
})

test_that("workers that begin after close() have the pointers, too, and the next pool keeps nothing of another", {
  pointer <- getDLLRegisteredRoutines("stats")$.Call[[1L]]$address
  pool <- Pool(1, context = "fork", maxtasksperchild = 1)
  result <- pool$map_async(function(x, shown) identical(format(x), shown), rep(list(pointer), 4), args = list(shown = format(pointer)), chunksize = 1)
  pool$close()
  expect_identical(result$get(60), rep(list(TRUE), 4))
  pool$join(60)
  # a result holds its pool: if another pool kept it, these workers would stay
  first <- Pool(1, context = "fork")
  kept <- first$apply_async(identity, list(1))
  pids <- first$status()$pid
  second <- local_pool(1, context = "fork")
  rm(first, kept)
  gc()
  expect_true(wait_until(function() all_gone(pids)))
  expect_identical(second$apply(identity, list(2)), 2)
})

test_that("a long chain of environments is no fault for a pool that is made", {
  chain <- NULL
  for (k in 1:100000) {
    link <- new.env(hash = FALSE, size = 2L, parent = emptyenv())
    link$rest <- chain
    chain <- link
  }
  pool <- local_pool(1, context = "fork")
  expect_identical(pool$apply(in_global(function() 1)), 1)
})

test_that("a task that fails on an empty pointer says where it is, and what to do", {
  uses <- function(x, y = NULL) stop("external pointer is not valid")
  says <- function(path) {
    sprintf("external pointer is not valid.*`%s` is an empty pointer: a live pointer is good only in the process that made it", path)
  }
  for (method in c("fork", "spawn")) {
    pool <- local_pool(1, context = method)
    address <- getDLLRegisteredRoutines("stats")$.Call[[1L]]$address # after the worker began
    object <- structure(list(1, inner = list(node = address)), class = "of another package")
    reference <- new.env()
    reference$deep <- object
    said <- function(call) conditionMessage(error_of(call))
    expect_match(said(pool$apply(uses, list(object))), says("[.][.]1[$]inner[$]node"))
    expect_match(said(pool$apply(uses, list(1, y = reference))), says("y[$]deep[$]inner[$]node"))
    expect_match(said(pool$map(uses, list(object))), says("[.][.]1[$]inner[$]node"))
    expect_match(said(pool$map(uses, 1, args = list(y = structure(1, about = object)))), says("y@about[$]inner[$]node"))
    expect_match(said(pool$starmap(uses, list(list(1, object)))), says("[.][.]2[$]inner[$]node"))
    # other errors, and those without such a pointer, are told as they are
    expect_no_match(said(pool$apply(function(x) stop("no"), list(object))), "empty pointer")
    expect_no_match(said(pool$apply(uses, list(1))), "empty pointer")
  }
  process <- Process(uses, list(1, y = object), context = "spawn")
  told <- capture.output(expect_match(said(process$start()$value(timeout = 60)), says("y[$]inner[$]node")), type = "message")
  expect_match(paste(told, collapse = "\n"), says("y[$]inner[$]node"))
})
