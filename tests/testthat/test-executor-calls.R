# What a call is given and gives: arguments, values that cannot be read, an initializer's error, callbacks, several futures, chunks.

test_that("an argument that cannot travel is an error of submit() and map(), and the calls around it are computed", {
  file <- tempfile()
  connection <- file(file, "w")
  on.exit({
    close(connection)
    unlink(file)
  })
  for (method in get_all_start_methods()) {
    executor <- local_executor(1, context = method)
    before <- executor$submit(identity, 1)
    expect_classed_error(executor$submit(identity, list(inside = connection)), "EncodingError", "inside")
    expect_classed_error(executor$map(identity, list(1, connection)), "EncodingError", "connection")
    # the elements before it are not computed in vain: the executor is free
    after <- executor$submit(identity, 2)
    executor$shutdown(wait = FALSE)
    expect_classed_error(executor$submit(identity, connection), "RuntimeError", "shut down")
    expect_identical(list(before$result(timeout = 60), after$result(timeout = 60)), list(1, 2))
    executor$shutdown()
  }
})

test_that("an argument that stops while it is written is an error of submit(), and the executor is usable", {
  library <- local_stages()
  dyn.load(library)
  on.exit(dyn.unload(library))
  executor <- local_executor(1)
  before <- executor$submit(identity, 1)
  expect_error(executor$submit(identity, staged(function() stop("not written"), NULL)), "not written")
  after <- executor$submit(identity, 2)
  executor$shutdown(wait = FALSE)
  expect_identical(list(before$result(timeout = 60), after$result(timeout = 60)), list(1, 2))
})

for (method in get_all_start_methods()) {
  test_that(paste("a result that stops while the session reads it is the error of that future:", method), {
    library <- local_stages()
    dyn.load(library)
    on.exit(dyn.unload(library))
    executor <- local_executor(1, initializer = function(library) dyn.load(library), initargs = list(library), context = method)
    before <- executor$submit(identity, 1)
    future <- executor$submit(staged, NULL, function() stop("not read"))
    after <- executor$submit(identity, 2)
    expect_error(future$result(timeout = 60), "not read")
    expect_true(future$done())
    expect_match(conditionMessage(future$exception(timeout = 0)), "not read")
    expect_error(future$result(timeout = 0), "not read")
    iterator <- executor$map(function(i) if (i == 2) staged(NULL, function() stop("not read")) else i, 1:3)
    expect_identical(iterator$next_value(), 1L)
    expect_error(iterator$next_value(), "not read")
    expect_identical(list(before$result(timeout = 60), after$result(timeout = 60)), list(1, 2))
    expect_identical(executor$submit(identity, 3)$result(timeout = 60), 3)
  })

  test_that(paste("an initializer that stops breaks the executor: its futures, its iterators, and what is submitted later say so:", method), {
    executor <- ProcessPoolExecutor(1, context = method, initializer = function() stop("no start"))
    fs <- list()
    submitted <- tryCatch(fs <- lapply(1:3, function(i) executor$submit(identity, i)), BrokenProcessPool = identity)
    for (f in fs) {
      expect_classed_error(f$result(timeout = 60), "BrokenProcessPool", "exit code 1.*initializer")
      expect_s3_class(f$exception(), "ProcessError")
    }
    expect_true(wait_until(function() inherits(tryCatch(executor$submit(identity, 1), error = identity), "BrokenProcessPool")))
    expect_classed_error(executor$submit(identity, 1), "BrokenProcessPool", "initializer")
    expect_classed_error(executor$map(identity, 1:3), "BrokenProcessPool", "initializer")
    executor$shutdown()
    expect_classed_error(executor$submit(identity, 1), "RuntimeError")
  })

  test_that(paste("a worker that is killed with large elements in map() costs that element alone:", method), {
    executor <- local_executor(2, context = method)
    iterator <- executor$map(function(x) {
      if (x[1] == 2) tools::pskill(Sys.getpid(), 9L)
      x + 1
    }, lapply(1:4, function(i) rep(i, 5e5)))
    expect_identical(iterator$next_value(), rep(2, 5e5))
    expect_classed_error(iterator$next_value(), "WorkerDiedError", "SIGKILL")
    expect_identical(executor$submit(sum, numeric(5e5))$result(timeout = 60), 0)
  })
}

test_that("arguments of all names but `fn` reach the function, in their order", {
  executor <- local_executor(1)
  all_given <- function(...) list(...)
  expect_identical(executor$submit(all_given, self = 1, f = 2, 3, private = 4, args = 5)$result(), list(self = 1, f = 2, 3, private = 4, args = 5))
  expect_identical(executor$submit(all_given, 1, f = 2)$result(), list(1, f = 2))
  expect_identical(executor$submit(f = 1, all_given, 2)$result(), list(f = 1, 2))
  expect_identical(executor$submit(f = 1, 2, fn = all_given)$result(), list(f = 1, 2))
  wrapper <- function(...) executor$submit(all_given, ...)
  expect_identical(wrapper(1, f = 2)$result(), list(1, f = 2))
  expect_identical(executor$submit(Map, f = function(x) x + 1, 1:2)$result(), list(2, 3))
  expect_identical(as.list(executor$map(function(self, f, i) self + f * i, self = 1:2, f = 3:4, i = 5:6, chunksize = 2)), list(16L, 26L))
  expect_identical(as.list(executor$map(paste, f = c("a", "b"), c("c", "d"))), list("a c", "b d"))
  expect_error(executor$submit(identity, fn = 1), "fn", class = "ValueError")
})

test_that("callbacks added to a future that has failed, or was cancelled, run at once", {
  executor <- local_executor(1)
  g <- gate()
  failed <- executor$submit(function() stop("no"))
  failed$exception(timeout = 60)
  running <- executor$submit(g$call)
  g$await()
  cancelled <- executor$submit(identity, 1)
  cancelled$cancel()
  g$open()
  told <- list()
  for (f in list(failed, cancelled)) {
    f$add_done_callback(function(f) told <<- c(told, f))
    expect_warning(f$add_done_callback(function(f) f$result()), "a callback of a future failed")
    f$add_done_callback(function(f) told <<- c(told, f))
  }
  expect_identical(told, list(failed, failed, cancelled, cancelled))
})

test_that("callbacks of a future that fails see its error, and one that fails itself stops no other", {
  executor <- local_executor(1)
  g <- gate()
  future <- executor$submit(function(call) {
    call()
    stop("no")
  }, g$call)
  told <- list()
  future$add_done_callback(function(f) told <<- c(told, list(f$exception())))
  future$add_done_callback(function(f) f$result())
  future$add_done_callback(function(f) told <<- c(told, list(f$exception())))
  g$open()
  expect_warning(error <- future$exception(timeout = 60), "a callback of a future failed.*no")
  expect_s3_class(error, "TaskError")
  expect_identical(told, list(error, error))
})

test_that("wait_futures() and as_completed() take futures that were cancelled or have failed", {
  executor <- local_executor(1)
  g <- gate()
  running <- executor$submit(g$call)
  g$await()
  cancelled <- executor$submit(identity, 1)
  cancelled$cancel()
  expect_identical(wait_futures(list(running, cancelled), return_when = "FIRST_COMPLETED"), list(done = list(cancelled), not_done = list(running)))
  # a cancelled future has not failed
  expect_identical(wait_futures(list(running, cancelled), timeout = 0, return_when = "FIRST_EXCEPTION"), list(done = list(cancelled), not_done = list(running)))
  iterator <- as_completed(list(running, cancelled), timeout = 60)
  expect_identical(iterator$next_value(), cancelled)
  g$open()
  expect_identical(iterator$next_value(), running)
  failed <- executor$submit(function() stop("no"))
  failed$exception(timeout = 60)
  running <- executor$submit(g$call)
  g$await()
  for (time in list(NULL, 60)) {
    got <- wait_futures(list(running, failed, cancelled), timeout = time, return_when = "FIRST_EXCEPTION")
    expect_identical(got, list(done = list(failed, cancelled), not_done = list(running)))
  }
  g$open()
  expect_identical(wait_futures(list(cancelled, running, failed)), list(done = list(cancelled, running, failed), not_done = list()))
  expect_identical(wait_futures(list()), list(done = list(), not_done = list()))
  expect_false(as_completed(list())$has_next())
})

test_that("map() takes chunks of the length, of more, and of more elements than there are at all", {
  executor <- local_executor(2)
  for (chunksize in c(6, 7, 13, 14, 1000, 1e10)) {
    expect_identical(unlist(as.list(executor$map(function(a, b) a * b, 1:13, 2:14, chunksize = chunksize))), 1:13 * 2:14)
  }
  iterator <- executor$map(function(i) if (i == 3) stop("three") else i, 1:5, chunksize = 50)
  expect_identical(c(iterator$next_value(), iterator$next_value()), 1:2)
  expect_error(iterator$next_value(), "three", class = "TaskError")
})

test_that("an argument or element that cannot be sent is named as its caller knows it", {
  connection <- file(nullfile())
  on.exit(close(connection))
  said <- function(expr) sub(" cannot be sent to another process: a connection.*", "", conditionMessage(expect_classed_error(expr, "EncodingError")))
  for (method in get_all_start_methods()) {
    local({
      executor <- local_executor(1, context = method)
      pool <- local_pool(1, context = method)
      expect_identical(said(executor$submit(identity, connection)), "argument 1")
      expect_identical(said(executor$submit(paste, 1, x = connection)), "argument `x`")
      expect_identical(said(executor$submit(paste, 1, `a b` = connection)), "argument `a b`")
      expect_identical(said(executor$submit(paste, 1, y = list(2, connection))), "`[[2]]` of argument `y`")
      expect_identical(said(executor$submit(paste, list(a = list(`b c` = connection)))), "`$a$`b c`` of argument 1")
      expect_identical(said(executor$submit(paste, structure(1, kept = connection))), "`attr(,\"kept\")` of argument 1")
      expect_identical(said(pool$apply(paste, list(1, connection))), "argument 2")
      expect_identical(said(pool$apply(paste, list(x = connection), globals = FALSE)), "argument `x`")
      expect_identical(said(pool$apply_async(paste, list(1, connection))), "argument 2")
      expect_identical(said(pool$map(identity, list(1, connection))), "element 2")
      expect_identical(said(pool$map(identity, list(1, list(con = connection)))), "`$con` of element 2")
      expect_identical(said(pool$map(identity, list(1, new.env(), connection))), "element 3")
      expect_identical(said(pool$map(function(x, f) x, 1:2, args = list(f = connection))), "`args$f`")
      expect_identical(said(pool$map(paste, 1:2, args = structure(list(x = 1), kept = list(connection)))), "`attr(args, \"kept\")[[1]]`")
      expect_identical(said(pool$map_async(identity, list(1, connection))), "element 2")
      expect_identical(said(pool$starmap(paste, list(list(1), list(2, connection)))), "argument 2 of element 2")
      expect_identical(said(pool$starmap(paste, list(list(1), list(2, x = list(connection))))), "`[[1]]` of argument `x` of element 2")
      expect_identical(said(pool$starmap(paste, list(list(1), structure(list(2), kept = connection)))), "`attr(,\"kept\")` of element 2")
      expect_identical(said(pool$starmap(paste, list(list(1), list(structure(2, kept = connection))))), "`attr(,\"kept\")` of argument 1 of element 2")
      expect_identical(said(pool$apply(paste, structure(list(2), kept = connection))), "`attr(,\"kept\")` of the arguments")
      given <- list(1, 2, 3, connection, 5)
      expect_identical(said(pool$imap(identity, given, chunksize = 2)), "element 4")
      for (chunksize in c(1, 3, 10)) {
        expect_identical(said(executor$map(identity, given, chunksize = chunksize)), "element 4 of argument 1")
        expect_identical(said(executor$map(paste, 1:5, x = given, chunksize = chunksize)), "element 4 of argument `x`")
        expect_identical(said(executor$map(paste, 1:5, lapply(given, list), chunksize = chunksize)), "`[[1]]` of element 4 of argument 2")
      }
      i <- 0
      following <- function() if (i < 5) given[[i <<- i + 1]] else stop("StopIteration")
      expect_identical(said(as.list(pool$imap(identity, following, chunksize = 2))), "element 4")
      queue <- Queue()
      expect_identical(said(queue$put(connection)), "the value")
      expect_identical(said(queue$put(list(1, x = connection))), "the value's element $x")
    })
  }
})

test_that("a call may have an executor of its own, in which calls have executors, and the innermost error comes out", {
  nested <- function(depth, method, last) {
    if (depth == 0) {
      return(last())
    }
    executor <- ProcessPoolExecutor(1, context = method)
    on.exit(executor$shutdown())
    executor$submit(nested, depth - 1, method, last)$result()
  }
  for (method in get_all_start_methods()) {
    pids <- nested(2, method, function() Sys.getpid())
    expect_false(pids == Sys.getpid())
    expect_true(wait_until(function() is_gone(pids)))
    expect_error(nested(2, method, function() stop("innermost")), "innermost", class = "TaskError")
  }
})

test_that("an element that fails is named by its number among all elements of the call, in chunks and lazy iterators, too", {
  executor <- local_executor(1)
  pool <- local_pool(1)
  first_error <- function(iterator) error_of(as.list(iterator))
  source <- function() {
    i <- 0
    function() if (i < 5) i <<- i + 1 else stop("StopIteration")
  }
  ways <- list(
    list(f = function(i) if (i == 4) stop("no") else i, class = "TaskError", text = "^element 4 failed in process .*no"),
    list(f = function(i) if (i == 4) tools::pskill(Sys.getpid(), 9L) else i, class = "WorkerDiedError", text = "^the worker of element 4 .*SIGKILL"),
    list(f = function(i) if (i == 4) stdin() else i, class = "EncodingError", text = "element 4 ")
  )
  for (way in ways) {
    for (chunksize in c(1, 2, 10)) {
      errors <- list(
        first_error(executor$map(way$f, 1:5, chunksize = chunksize)), first_error(pool$imap(way$f, 1:5, chunksize = chunksize)),
        first_error(pool$imap(way$f, source(), chunksize = chunksize))
      )
      for (e in errors) {
        expect_s3_class(e, way$class)
        expect_match(conditionMessage(e), way$text)
        expect_identical(e$index, 4L)
      }
    }
  }
  error <- executor$submit(function() tools::pskill(Sys.getpid(), 9L))$exception(timeout = 60)
  expect_match(conditionMessage(error), "^the worker of the call ")
  expect_identical(error$index, 1L)
})

test_that("the heap is sound after all of this", {
  expect_sound_heap()
})
