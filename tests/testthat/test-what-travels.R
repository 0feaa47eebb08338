# The promises of ?`what-travels`, each in workers that began before (forked, spawned) and after.
test_that("a function that assigns into its caller's frame does not change which element comes next", {
  counter <- in_global(function(v) {
    assign("i", 99L, envir = parent.frame())
    assign("X", list(), envir = parent.frame())
    lockEnvironment(parent.frame())
    v
  })
  late <- in_global(function(file, n) {
    assign("args", "mine", envir = parent.frame())
    n
  })
  expect_identical(mclapply(1:8, counter, mc.cores = 2), as.list(1:8))
  each_pool(function(pool, method) {
    expect_identical(pool$map(counter, 1:8, chunksize = 4), as.list(1:8))
    expect_identical(pool$starmap(late, lapply(1:4, function(k) list("f", k)), chunksize = 4), as.list(1:4))
  })
})

test_that("lists whose as.list() keeps a class are mapped as lapply() maps them", {
  values <- list(
    rle = rle(c(1, 1, 2)), formula = y ~ x + z, person = c(person("A", "B"), person("C", "D")),
    condition = simpleError("text")
  )
  pool <- local_pool(1)
  for (x in values) {
    expect_identical(pool$map(function(element) length(element), x), lapply(x, function(element) length(element)))
  }
})

test_that("methods, classes and functions of the session are found, as they are at each call", {
  withr_clean <- ls(globalenv(), all.names = TRUE)
  on.exit(rm(list = setdiff(ls(globalenv(), all.names = TRUE), withr_clean), envir = globalenv()))
  each_pool(function(pool, method) {
    assign("wt_area", in_global(function(s) UseMethod("wt_area")), globalenv())
    assign("wt_area.circle", in_global(function(s) 3 * s$r^2), globalenv())
    assign("format.wt_money", in_global(function(x, ...) paste0("$", unclass(x))), globalenv())
    expect_identical(pool$apply(in_global(function(s) wt_area(s)), list(structure(list(r = 1), class = "circle"))), 3)
    expect_identical(pool$map(in_global(function(x) format(structure(x, class = "wt_money"))), 1), list("$1"))
    assign("format.wt_money", in_global(function(x, ...) "other"), globalenv())
    expect_identical(pool$map(in_global(function(x) format(structure(x, class = "wt_money"))), 1), list("other"))
    rm("format.wt_money", envir = globalenv())
    expect_identical(pool$map(in_global(function(x) inherits(format(structure(x, class = "wt_money")), "character")), 1), list(TRUE))
  })
})

test_that("a removed variable is gone, and its earlier value is never a result", {
  on.exit(suppressWarnings(rm("wt_rate", envir = globalenv())))
  each_pool(function(pool, method) {
    assign("wt_rate", 1, globalenv())
    expect_identical(pool$apply(in_global(function() get("wt_rate"))), 1)
    assign("wt_rate", 10, globalenv())
    expect_identical(pool$apply(in_global(function() eval(parse(text = "wt_rate")))), 10)
    rm("wt_rate", envir = globalenv())
    expect_error(pool$apply(in_global(function() wt_rate)), "wt_rate")
    assign("wt_rate", 0, globalenv())
  })
})

test_that("what an initializer set stays until the session changes the same variable", {
  on.exit(suppressWarnings(rm(list = c("wt_here", "wt_big"), envir = globalenv())))
  assign("wt_here", "session", globalenv())
  assign("wt_big", as.numeric(1:50000), globalenv())
  start <- in_global(function() {
    assign("wt_here", "initializer", globalenv())
    assign("wt_big", 7, globalenv())
  })
  each_pool(initializer = start, check = function(pool, method) {
    expect_identical(pool$apply(in_global(function() wt_here)), "initializer")
    expect_identical(pool$apply(in_global(function() sum(wt_big))), 7)
    assign("wt_here", "changed", globalenv())
    assign("wt_big", as.numeric(1:50001), globalenv())
    expect_identical(pool$apply(in_global(function() wt_here)), "changed")
    expect_identical(pool$apply(in_global(function() length(wt_big))), 50001L)
    assign("wt_here", "session", globalenv())
  })
})

test_that("a large variable travels when it is named, and what a text names is not found", {
  on.exit(suppressWarnings(rm("wt_large", envir = globalenv())))
  each_pool(function(pool, method) {
    assign("wt_large", as.numeric(1:50000), globalenv())
    by_text <- in_global(function() length(get(paste0("wt_", "large"))))
    expect_error(pool$apply(by_text), "not found")
    expect_identical(pool$apply(in_global(function() length(wt_large))), 50000L)
    expect_identical(pool$apply(in_global(function() length(get("wt_large")))), 50000L)
    expect_error(pool$apply(by_text), "not found")
    expect_identical(pool$apply(by_text, globals = "wt_large"), 50000L)
    expect_identical(pool$apply(in_global(function(x) {
      wt_large <- x
      wt_large
    }), list(1)), 1)
    rm("wt_large", envir = globalenv())
  })
})

test_that("globals and packages say what a job sees", {
  on.exit(suppressWarnings(rm("wt_seen", envir = globalenv())))
  each_pool(function(pool, method) {
    assign("wt_seen", 1, globalenv())
    look <- in_global(function() exists("wt_seen", globalenv()))
    expect_false(pool$apply(look, globals = FALSE))
    expect_true(pool$apply(look))
    expect_identical(pool$apply(in_global(function() wt_given), globals = list(wt_given = 5)), 5)
    expect_error(pool$apply(in_global(function() wt_given)), "wt_given")
    expect_true(pool$apply(in_global(function() "package:splines" %in% search()), packages = "splines"))
    expect_error(pool$apply(in_global(function() 1), packages = "nosuchpackage"), "nosuchpackage")
    expect_classed_error(pool$apply(look, globals = 3), "ValueError", "globals")
    expect_classed_error(pool$apply(look, globals = "wt_nothing"), "ValueError", "wt_nothing")
    expect_classed_error(pool$apply(look, packages = 3), "ValueError", "packages")
    rm("wt_seen", envir = globalenv())
  })
})

test_that("the random state is no variable, and options, variables and folders of the session are the worker's", {
  set.seed(1)
  before <- get(".Random.seed", globalenv())
  zone <- Sys.getenv("TZ", NA)
  folder <- getwd()
  libraries <- .libPaths()
  on.exit({
    options(wt.option = NULL)
    setwd(folder)
    .libPaths(libraries)
    Sys.unsetenv("WT_VARIABLE")
    if (is.na(zone)) Sys.unsetenv("TZ") else Sys.setenv(TZ = zone)
  })
  each_pool(function(pool, method) {
    draw <- in_global(function(i) {
      old <- .Random.seed
      runif(1)
    })
    drawn <- c(pool$map(in_global(function(i) runif(1)), 1:2), pool$map(draw, 1:2))
    expect_false(anyDuplicated(unlist(drawn)) > 0)
    options(wt.option = method)
    Sys.setenv(WT_VARIABLE = method, TZ = "Asia/Tokyo")
    setwd(tempdir())
    seen <- pool$apply(in_global(function() {
      list(getOption("wt.option"), Sys.getenv("WT_VARIABLE"), format(as.POSIXct(0, origin = "1970-01-01"), "%H"), getwd())
    }))
    expect_identical(seen, list(method, method, "09", getwd()))
    options(wt.option = NULL)
    Sys.unsetenv("WT_VARIABLE")
    expect_identical(pool$apply(in_global(function() c(getOption("wt.option"), Sys.getenv("WT_VARIABLE")))), "")
    .libPaths(c(tempdir(), libraries))
    expect_identical(pool$apply(in_global(function() .libPaths())), c(normalizePath(tempdir()), libraries))
    .libPaths(libraries)
    expect_identical(pool$apply(in_global(function() .libPaths())), libraries)
  })
  expect_identical(get(".Random.seed", globalenv()), before)
})

test_that("packages: the order in which they are attached, those that are loaded only, and another library", {
  skip_on_cran()
  library <- tempfile("library")
  dir.create(library)
  make_package <- function(name, code, exports) {
    source <- file.path(tempfile("source"), name)
    dir.create(file.path(source, "R"), recursive = TRUE)
    writeLines(c(
      paste("Package:", name), "Version: 1.0", "Title: T", "Description: D.", "License: GPL-3", "Author: A",
      "Maintainer: A <a@example.org>"
    ), file.path(source, "DESCRIPTION"))
    writeLines(exports, file.path(source, "NAMESPACE"))
    writeLines(code, file.path(source, "R", "code.R"))
    arguments <- c("CMD", "INSTALL", "--no-docs", "--no-byte-compile", "-l", library, source)
    expect_identical(system2(file.path(R.home("bin"), "R"), arguments, stdout = FALSE, stderr = FALSE), 0L)
  }
  make_package("wtone", 'pick <- function() "one"', "export(pick)")
  make_package("wttwo", 'pick <- function() "two"', "export(pick)")
  make_package("wtquiet", c(
    'money <- function(x) structure(list(x), class = "wtquietmoney")', 'format.wtquietmoney <- function(x, ...) paste0("$", x[[1]])'
  ), c("export(money)", "S3method(format, wtquietmoney)"))
  on.exit({
    for (name in intersect(c("package:wtone", "package:wttwo"), search())) detach(name, character.only = TRUE, unload = TRUE)
    unloadNamespace(c("wtquiet"))
  })
  pools <- list(Pool(1, context = "fork"), Pool(1, context = "spawn"))
  suppressWarnings({
    base::library("wtone", lib.loc = library, character.only = TRUE)
    base::library("wttwo", lib.loc = library, character.only = TRUE, warn.conflicts = FALSE)
  })
  early <- Pool(1, context = "fork") # has no job before the package is gone
  loadNamespace(c("wtquiet"), lib.loc = library)
  price <- getExportedValue("wtquiet", "money")(7)
  pools <- c(pools, Pool(1, context = "spawn"))
  for (pool in pools) {
    expect_identical(pool$apply(in_global(function() pick())), "two")
    expect_identical(pool$apply(in_global(function(x) format(x)), list(price)), "$7")
    expect_identical(pool$map(in_global(function(x) format(x)), list(price, price)), list("$7", "$7"))
  }
  # one that has been removed is an error of the elements that need it, and of no other
  detach("package:wttwo", character.only = TRUE, unload = TRUE)
  unlink(file.path(library, c("wtone", "wtquiet")), recursive = TRUE)
  late <- Pool(1, context = "spawn")
  shown <- in_global(function(x) format(x))
  for (pool in list(early, late)) {
    expect_identical(pool$apply(in_global(function(x) x + 1), list(1)), 2)
    elements <- pool$imap(shown, list(1, price, list(price), 2))
    expect_identical(elements$next_value(), "1")
    expect_classed_error(elements$next_value(), "ProcessError", "package 'wtquiet',.* cannot be loaded in the worker")
    expect_classed_error(elements$next_value(), "ProcessError", "wtquiet")
    expect_identical(elements$next_value(), "2")
  }
  expect_classed_error(late$apply(in_global(function() pick())), "ProcessError", "wtone")
  qualified <- as.function(list(as.call(list(call("::", quote(wtone), quote(pick)))))) # wtone::pick()
  expect_error(late$apply(in_global(qualified)), "wtone")
  capture.output(type = "message", {
    expect_classed_error(Process(shown, list(price), context = "spawn")$start()$value(60), "ProcessError", "wtquiet")
    expect_identical(Process(shown, list(1), context = "spawn")$start()$value(60), "1")
  })
  for (pool in c(pools, early, late)) pool$terminate()
})

test_that("lists of the same name on the search path are each sent, and leave workers with the session", {
  for (method in c("fork", "spawn")) {
    pool <- Pool(1, context = method)
    path <- function() grep("^wt_", search(), value = TRUE)
    before <- search()
    detach_all <- function() while (length(more <- setdiff(search(), before))) detach(more[1L], character.only = TRUE)
    on.exit(detach_all())
    attach(list(wt_one = 1, wt_in = "old"), name = "wt_list")
    expect_identical(pool$apply(path), path())
    attach(list(wt_two = 2), name = "wt_other")
    attach(list(wt_in = "new"), name = "wt_list", warn.conflicts = FALSE)
    expect_identical(pool$apply(path), c("wt_list", "wt_other", "wt_list"))
    expect_identical(pool$apply(function() list(get("wt_one"), get("wt_in"))), list(1, "new"))
    pool$apply(function() { attach(list(wt_own = 3), name = "wt_own"); NULL })
    pool$apply(function() { attach(list(wt_mine = 4), name = "wt_other"); NULL }) # a name that the session has, too
    detach("wt_list", character.only = TRUE)
    expect_identical(pool$apply(function() list(get("wt_one"), get("wt_in"), get("wt_own"), get("wt_mine"))), list(1, "old", 3, 4))
    expect_identical(pool$apply(path), c("wt_other", "wt_own", "wt_other", "wt_list"))
    detach_all()
    expect_identical(pool$apply(path), c("wt_other", "wt_own"))
    pool$terminate()
  }
})

test_that("what a task changes stays in its worker until the session changes the same variable", {
  on.exit(suppressWarnings(rm("wt_count", envir = globalenv())))
  each_pool(function(pool, method) {
    assign("wt_count", 1, globalenv())
    count <- in_global(function() wt_count <<- wt_count + 1)
    expect_identical(c(pool$apply(count), pool$apply(count)), c(2, 3))
    expect_identical(get("wt_count", globalenv()), 1)
    assign("wt_count", 10, globalenv())
    expect_identical(pool$apply(count), 11)
  })
})

test_that("a forked worker finds by a text the large variables that it began with, as long as they are the same", {
  on.exit(suppressWarnings(rm("wt_large", envir = globalenv())))
  assign("wt_large", as.numeric(1:50000), globalenv())
  by_text <- in_global(function() length(get(paste0("wt_", "large"))))
  pool <- local_pool(1, context = "fork")
  expect_identical(pool$apply(by_text), 50000L)
  assign("wt_large", as.numeric(1:50001), globalenv())
  expect_error(pool$apply(by_text), "not found")
})

test_that("options that need a screen, and large ones or with pointers, are each process's own", {
  old <- options(editor = "wt_editor", pager = "wt_pager", wt.large = NULL, wt.pointer = NULL)
  on.exit(options(old))
  each_pool(function(pool, method) {
    pool$apply(in_global(function() 1))
    options(editor = paste0("wt_other_", method), wt.large = numeric(50000), wt.pointer = getDLLRegisteredRoutines("stats")$.Call[[1L]]$address)
    seen <- pool$apply(in_global(function() list(getOption("editor"), getOption("wt.large"), getOption("wt.pointer"))))
    expect_false(identical(seen[[1L]], getOption("editor")))
    expect_null(seen[[2L]])
    expect_null(seen[[3L]])
    options(wt.large = NULL, wt.pointer = NULL)
  })
  old_warn <- options(warn = 0)
  on.exit(options(old_warn), add = TRUE)
  each_pool(function(pool, method) expect_identical(as.integer(pool$apply(in_global(function() getOption("warn")))), 1L))
})

test_that("an option that is set to what cannot travel keeps no earlier value in a worker", {
  on.exit(options(wt.option = NULL))
  look <- in_global(function() getOption("wt.option"))
  pointer <- getDLLRegisteredRoutines("stats")$.Call[[1L]]$address
  each_pool(function(pool, method) {
    for (own in list(numeric(50000), pointer, list(pointer))) {
      options(wt.option = 1)
      expect_identical(pool$apply(look), 1)
      options(wt.option = own)
      expect_null(pool$apply(look))
      pool$apply(in_global(function() options(wt.option = "the worker's")))
      expect_identical(pool$apply(look), "the worker's")
      options(wt.other = method) # the session's options are looked at again
      expect_identical(pool$apply(look), "the worker's")
    }
    options(wt.option = 2, wt.other = NULL)
    expect_identical(pool$apply(look), 2)
  })
})

test_that("what is changed inside a package is seen by workers that are forked after it", {
  is_r6 <- R6::is.R6
  pool <- local_pool(1, context = "fork")
  pool$apply(in_global(function() 1))
  utils::assignInNamespace("is.R6", function(x) "changed", "R6")
  on.exit(utils::assignInNamespace("is.R6", is_r6, "R6"), add = TRUE)
  task <- in_global(function() R6::is.R6("a"))
  expect_false(pool$apply(task))
  later <- local_pool(1, context = "fork")
  expect_identical(later$apply(task), "changed")
})

test_that("a lock goes along with its variable's value", {
  on.exit({
    unlockBinding("wt_locked", globalenv())
    rm("wt_locked", envir = globalenv())
  })
  write <- in_global(function() wt_locked <<- 5)
  assign("wt_locked", 1, globalenv())
  lockBinding("wt_locked", globalenv())
  expect_error(local_pool(1, context = "fork")$apply(write), "locked")
})

test_that("a pool in a worker is a handle that says so", {
  each_pool(function(pool, method) {
    expect_error(pool$apply(in_global(function(p) p$apply(identity, list(1))), list(pool)), "process")
  })
})

test_that("a compiled function is used by workers that were forked after it was made", {
  skip_on_cran()
  on.exit(rm("wt_twice", envir = globalenv()))
  assign("wt_twice", cpp_fun("double twice(double x) { return 2 * x; }"), globalenv())
  pool <- local_pool(1, context = "fork")
  expect_identical(pool$map(in_global(function(k) sum(thread_map(c(1, k), wt_twice))), 3), list(8))
})

test_that("a generic finds the methods that a function defines beside it", {
  local_methods <- function() {
    wt_area <- function(s, ...) UseMethod("wt_area")
    wt_area.wt_circle <- function(s, ...) c("circle", NextMethod())
    wt_area.default <- function(s, ...) "default"
    `[[` <- function(...) stop("not this one")
    wt_area
  }
  area <- local_methods()
  circle <- structure(1, class = "wt_circle")
  each_pool(function(pool, method) {
    expect_identical(pool$apply(area, list(circle)), c("circle", "default"))
    expect_identical(pool$map(area, list(circle, 1)), list(c("circle", "default"), "default"))
    expect_identical(pool$starmap(area, list(list(circle))), list(c("circle", "default")))
    expect_identical(pool$map(area, list(circle), args = list(more = 2)), list(c("circle", "default")))
    expect_identical(Process(area, list(circle), context = method)$start()$value(60), c("circle", "default"))
  })
})

test_that("the frame that calls a function finds what the session finds, whatever environment the function has", {
  each_pool(function(pool, method) {
    looks <- function(x) eval(quote(median(1:3)), parent.frame())
    environment(looks) <- new.env(parent = baseenv())
    expect_identical(pool$map(looks, 1), lapply(1, looks))
    expect_identical(pool$apply(looks, list(1)), 2L)
  })
})

test_that("globals sends a large variable that only a text names, and a write into one is seen where it is named", {
  skip_on_cran()
  skip_if_not_installed("Rcpp")
  on.exit(suppressWarnings(rm("wt_large", envir = globalenv())))
  write <- Rcpp::cppFunction("void write(NumericVector x, int at, double value) { x[at - 1] = value; }", env = new.env())
  assign("wt_large", as.numeric(1:50000), globalenv())
  by_text <- in_global(function() get(paste0("wt_", "large"))[[2L]])
  named <- in_global(function() wt_large[[2L]])
  each_pool(function(pool, method) {
    write(get("wt_large", globalenv()), 2L, 2)
    if (method == "spawn") expect_error(pool$apply(by_text), "not found") else expect_identical(pool$apply(by_text), 2)
    write(get("wt_large", globalenv()), 2L, 7)
    expect_identical(pool$apply(named), 7)
    if (method == "fork") expect_true(pool$apply(by_text) %in% c(2, 7)) # what it began with, or what a job has brought
    expect_identical(pool$apply(by_text, globals = "wt_large"), 7)
  })
})

test_that("a lock of a variable in an environment is sent with the next change there", {
  on.exit(rm("wt_env", envir = globalenv()))
  each_pool(function(pool, method) {
    env <- list2env(list(a = 1, b = 1), parent = emptyenv())
    assign("wt_env", env, globalenv())
    locked <- in_global(function() c(bindingIsLocked("a", wt_env), environmentIsLocked(wt_env)))
    expect_identical(pool$apply(locked), c(FALSE, FALSE))
    lockBinding("a", env)
    env$b <- 2
    expect_identical(pool$apply(locked), c(TRUE, FALSE))
    lockEnvironment(env)
    expect_identical(pool$apply(locked), c(TRUE, TRUE))
  })
})

test_that("a sink of a task is its own, and so is the session's", {
  each_pool(function(pool, method) {
    there <- in_global(function() sink.number())
    expect_identical(pool$apply(there), 0L)
    file <- tempfile()
    sink(file)
    on.exit(if (sink.number() > before) sink())
    before <- sink.number() - 1L
    seen <- pool$apply(there)
    expect_identical(pool$apply(in_global(function(file) {
      sink(file)
      on.exit(sink())
      print("by the task")
      sink.number()
    }), list(tempfile())), 1L)
    sink()
    expect_identical(seen, 0L)
    expect_identical(readLines(file), character())
  })
})

test_that("a process in a worker is a handle that tells, and that ends nothing", {
  process <- Process(function() Sys.sleep(60))
  process$start()
  on.exit({
    process$terminate()
    process$join(60)
  })
  each_pool(function(pool, method) {
    expect_error(pool$apply(in_global(function(p) p$join(0)), list(process)), "process")
    expect_true(process$is_alive())
  })
})
