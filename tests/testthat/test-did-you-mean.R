# Names that do not exist are answered with the one that was meant.
said <- function(expr) conditionMessage(expect_classed_error(expr, "ValueError"))

test_that("an unknown argument is answered with ours, for typing errors and for the words of others", {
  for (name in c("workers", "processess", "n_jobs", "cores", "ncpus", "max_workers")) {
    text <- said(eval(as.call(c(quote(Pool), structure(list(2), names = name)))))
    expect_match(text, sprintf("unknown argument `%s` of Pool\\(\\): did you mean `processes`\\?", name))
  }
  expect_match(said(Pool(1, setup = print)), "did you mean `initializer`")
  expect_match(said(Process(func = sum)), "did you mean `target`")
  expect_match(said(Process(sum, kwargs = list())), "did you mean `args`")
  expect_match(said(Queue(capacity = 3)), "did you mean `maxsize`")
  pool <- local_pool(1)
  expect_match(said(pool$map(sqrt, 1, kwargs = list())), "did you mean `args`")
  expect_match(said(pool$map(sqrt, 1, timeout = 3)), "did you mean `task_timeout`")
  expect_match(said(pool$map(sqrt, 1, simplify = TRUE)), "did you mean `template`")
  expect_match(said(pool$map(sqrt, X = 1)), "did you mean `iterable`")
  expect_match(said(pool$apply(sqrt, x = 5)), "`x` of \\$apply\\(\\): .*`args = list\\(x = \\.\\.\\.\\)`")
  expect_match(said(pool$map(sqrt, 1, NULL, list(), 5)), "too many arguments without names in \\$map\\(\\): .*by their full names")
})

test_that("an argument that no function of the mclapply family has is told before anything is forked", {
  one <- function(x) x
  expect_match(said(mclapply(1:3, one, cores = 2)), "unknown argument `cores` of mclapply\\(\\): did you mean `mc.cores`")
  expect_match(said(mclapply(1:3, one, mc.core = 2)), "did you mean `mc.cores`")
  expect_match(said(mcvapply(1:3, one, 1L, n_jobs = 2)), "did you mean `mc.cores`")
  expect_match(said(mcmapply(one, 1:3, workers = 2)), "did you mean `mc.cores`")
  expect_match(said(pvec(1:3, one, cores = 2)), "did you mean `mc.cores`")
  takes <- function(x, cores) x + cores
  expect_identical(mclapply(1:2, takes, cores = 2, mc.cores = 2), list(3, 4))
  expect_identical(mclapply(1:2, function(x, ...) list(...)$cores, cores = 2, mc.cores = 2), list(2, 2))
  expect_identical(mclapply(1:2, round, digits = 0, mc.cores = 2), list(1, 2))
})

test_that("a part of a name binds nothing, also through the dots of a wrapper", {
  pool <- local_pool(1)
  wrapper <- function(...) pool$map(function(x, i) x, 1:3, ...)
  expect_match(said(wrapper(i = 10)), "`i` of \\$map")
  expect_identical(wrapper(template = 1L), 1:3)
})

test_that("an unknown method is answered with the one that was meant", {
  pool <- local_pool(1)
  expect_match(said(pool$mapp(sqrt, 1)), "Pool has no method or field `mapp`: did you mean `\\$map`")
  expect_match(said(pool$submit(sqrt)), "did you mean `\\$apply_async`")
  expect_match(said(pool$lapply(1, sqrt)), "did you mean `\\$map`")
  expect_match(said(pool$shutdown()), "did you mean `\\$terminate`")
  expect_match(said(pool$zzzzzz), "it has \\$apply\\(\\), .*\\$map\\(\\)")
  expect_match(said(Process(sum)$exit_code), "did you mean `\\$exitcode`")
  expect_match(said(pool$apply_async(sum)$result()), "did you mean `\\$get`")
  expect_match(said(pool$imap(sqrt, 1)$nxt), "PoolIterator has no method or field `nxt`: it has")
  expect_null(Process(sum)$pid) # a field without a value
})

test_that("executors, futures, listeners, connections and named memory answer unknown names, too", {
  executor <- ProcessPoolExecutor(1)
  on.exit(executor$shutdown())
  future <- executor$submit(sqrt, 4)
  expect_match(said(executor$close()), "ProcessPoolExecutor has no method or field `close`: did you mean `\\$shutdown`")
  expect_match(said(executor$apply(sqrt)), "did you mean `\\$submit`")
  expect_match(said(future$get()), "Future has no method or field `get`: did you mean `\\$result`")
  expect_match(said(future$zzzzzz), "it has \\$add_done_callback\\(\\), .*\\$running\\(\\)")
  listener <- Listener()
  on.exit(listener$close(), add = TRUE)
  client <- Client(listener$address)
  on.exit(client$close(), add = TRUE)
  expect_match(said(listener$acept()), "Listener has no method or field `acept`: did you mean `\\$accept`")
  expect_match(said(client$receive()), "SocketConnection has no method or field `receive`: did you mean `\\$recv`")
  shm <- SharedMemory(create = TRUE, size = 8)
  on.exit(shm$unlink(), add = TRUE)
  expect_match(said(shm$buffer), "SharedMemory has no method or field `buffer`: did you mean `\\$buf`")
  expect_match(said(shm$buf$cst("d")), "did you mean `\\$cast`")
  complete <- getFromNamespace(".DollarNames", "utils")
  expect_identical(complete(future, "^r"), c("result", "running"))
  expect_identical(complete(executor, "^s"), c("shutdown", "submit"))
  expect_identical(complete(shm, "^[nu]"), c("name", "unlink"))
  expect_identical(complete(client, "^recv"), c("recv", "recv_bytes"))
  expect_identical(complete(shm$buf, ""), "cast")
})

test_that("methods show their options as arguments, and completion shows what is for users", {
  pool <- local_pool(1)
  options <- c("template", "progress", "seed", "retries", "task_timeout", "on_error")
  expect_true(all(options %in% names(formals(pool$map))))
  expect_true(all(options %in% names(formals(pool$starmap_async))))
  complete <- getFromNamespace(".DollarNames", "utils")
  expect_identical(complete(pool, "^m"), c("map", "map_async"))
  hidden <- c(".__enclos_env__", "initialize", "format", "print", "clone")
  for (handle in list(pool, Lock(), Queue(), Pipe()[[1]], Process(sum), pool$apply_async(sum), pool$imap(sqrt, 1))) {
    shown <- complete(handle, "")
    expect_gt(length(shown), 2L)
    expect_identical(intersect(shown, hidden), character())
  }
})

test_that("objects of other packages whose classes have our names keep their own `$`", {
  for (class in c("Pool", "Process", "Future", "Listener", "SharedMemory", "AsyncResult")) {
    theirs <- structure(new.env(), class = class)
    assign("size", 3, theirs)
    expect_identical(theirs$size, 3)
    expect_null(theirs$split)
    expect_identical(utils::.DollarNames(theirs, "^s"), "size")
    expect_identical(structure(list(size = 3), class = class)$size, 3)
    expect_null(structure(list(size = 3), class = class)$split)
  }
  skip_if_not_installed("R6")
  theirs <- R6::R6Class("Pool", public = list(size = 3), parent_env = globalenv())$new()
  expect_null(theirs$split)
  expect_error(local_pool(1)$split, class = "ValueError")
})

test_that("options come to a method of a pool by the `...` of any function around its call", {
  pool <- local_pool(1)
  fails <- function(i) if (i == 2) stop("two") else i
  callers <- list(
    function(...) pool$map(fails, 1:3, ...),
    function(...) {
      inner <- function() pool$map(fails, 1:3, ...)
      inner()
    },
    function(...) local(pool$map(fails, 1:3, ...)),
    function(...) lapply(1, function(k) pool$map(fails, 1:3, ...))[[1L]],
    function(...) eval(quote(pool$map(fails, 1:3, ...)), list(k = 1)),
    function(...) do.call(pool$map, list(fails, 1:3, ...)),
    function(...) lapply(list(1:3), pool$map, func = fails, ...)[[1L]]
  )
  for (caller in callers) {
    value <- caller(on_error = "return")
    expect_identical(value[c(1, 3)], list(1L, 3L))
    expect_s3_class(value[[2L]], "error")
    expect_error(caller(on_eror = "return"), "unknown argument `on_eror` of $map()", fixed = TRUE)
  }
})

test_that("managers, what they make, and contexts answer unknown names, and a dict says how keys are given", {
  m <- Manager()
  expect_match(said(m$Dict()), "Manager has no method or field `Dict`: did you mean `\\$dict`")
  expect_match(said(m$Pool(2)), "it has \\$dict\\(\\)")
  d <- m$dict(a = 1)
  expect_match(said(d$a), "a key goes into brackets, \\[\\[\"a\"\\]\\]")
  expect_match(said(d$a <- 2), "write \\[\\[\"a\"\\]\\] in place of \\$a")
  expect_identical(d[["a"]], 1)
  expect_match(said(m$list(1)$add(2)), "List has no method or field `add`: it has \\$append")
  expect_match(said(m$set(1)$ad(2)), "did you mean `\\$add`")
  expect_match(said(get_context("fork")$pool(2)), "context has no method or field `pool`: did you mean `\\$Pool`")
  expect_identical(conditionCall(tryCatch(m$dict(1, 2), error = identity)), quote(m$dict(1, 2)))
})
