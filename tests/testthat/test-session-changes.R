# Changes of the session between two jobs: in place, of options, of the search path; and devices.
test_that("what the session changes in an environment or an object in place the next job sees", {
  on.exit(suppressWarnings(rm(list = c("wt_env", "wt_object"), envir = globalenv())))
  each_pool(function(pool, method) {
    assign("wt_env", new.env(), globalenv())
    wt_env <- get("wt_env", globalenv())
    wt_env$n <- 1
    wt_env$inner <- new.env()
    Counter <- R6::R6Class(public = list(n = 0, deep = NULL, add = function() self$n <- self$n + 1), parent_env = globalenv())
    assign("wt_object", Counter$new(), globalenv())
    object <- get("wt_object", globalenv())
    look <- in_global(function() list(wt_env$n, wt_env$inner$m, wt_object$n))
    expect_identical(pool$apply(look), list(1, NULL, 0))
    wt_env$n <- 2
    expect_identical(pool$apply(look), list(2, NULL, 0))
    wt_env$inner$m <- "deep"
    object$add()
    expect_identical(pool$apply(look), list(2, "deep", 1))
    rm("n", envir = wt_env)
    object$n <- 7
    expect_identical(pool$apply(look), list(NULL, "deep", 7))
    object$deep <- list(wt_env)
    wt_env$inner$m <- "deeper"
    expect_identical(pool$apply(in_global(function() wt_object$deep[[1]]$inner$m)), "deeper")
  })
})

test_that("what compiled code writes into a vector in place the next job sees", {
  skip_on_cran()
  skip_if_not_installed("Rcpp")
  on.exit(suppressWarnings(rm(list = c("wt_short", "wt_vector", "wt_large"), envir = globalenv())))
  write <- Rcpp::cppFunction("void write(NumericVector x, int at, double value) { x[at - 1] = value; }", env = new.env())
  each_pool(function(pool, method) {
    assign("wt_short", c(1, 2), globalenv())
    assign("wt_vector", list(inside = as.numeric(1:100)), globalenv())
    assign("wt_large", as.numeric(1:50000), globalenv())
    look <- in_global(function() c(wt_short, sum(wt_vector$inside), sum(wt_large)))
    expect_identical(pool$apply(look), c(1, 2, 5050, 1250025000))
    write(get("wt_short", globalenv()), 2L, 20)
    expect_identical(pool$apply(look), c(1, 20, 5050, 1250025000))
    write(get("wt_vector", globalenv())$inside, 100L, 0)
    expect_identical(pool$apply(look), c(1, 20, 4950, 1250025000))
    write(get("wt_large", globalenv()), 12345L, 0)
    expect_identical(pool$apply(look), c(1, 20, 4950, 1250025000 - 12345))
  })
})

test_that("what data.table changes by reference the next job sees", {
  skip_if_not_installed("data.table")
  on.exit(suppressWarnings(rm("wt_table", envir = globalenv())))
  each_pool(function(pool, method) {
    table <- data.table::data.table(a = 1:3, b = c("x", "y", "z"))
    assign("wt_table", table, globalenv())
    look <- in_global(function() as.list(wt_table))
    expect_identical(pool$apply(look), list(a = 1:3, b = c("x", "y", "z")))
    data.table::set(table, 2L, "a", 9L)
    expect_identical(pool$apply(look)$a, c(1L, 9L, 3L))
    data.table::set(table, 1L, "b", "other")
    expect_identical(pool$apply(look)$b, c("other", "y", "z"))
    data.table::set(table, j = "c", value = c(TRUE, NA, FALSE))
    expect_identical(pool$apply(look)$c, c(TRUE, NA, FALSE))
    data.table::setnames(table, "a", "first")
    expect_identical(names(pool$apply(look)), c("first", "b", "c"))
    data.table::setorderv(table, "first", -1L)
    expect_identical(pool$apply(look)$first, c(9L, 3L, 1L))
    data.table::set(table, j = "c", value = NULL)
    expect_identical(names(pool$apply(look)), c("first", "b"))
    large <- data.table::data.table(a = as.numeric(1:50000))
    assign("wt_table", large, globalenv())
    expect_identical(pool$apply(in_global(function() sum(wt_table$a))), sum(as.numeric(1:50000)))
    data.table::set(large, 777L, "a", 0)
    expect_identical(pool$apply(in_global(function() sum(wt_table$a))), sum(as.numeric(1:50000)) - 777)
  })
})

test_that("options that hold functions and environments arrive with them, and again when they are set to others", {
  old <- options(wt.fun = NULL, wt.env = NULL, wt.list = NULL)
  on.exit(options(old))
  each_pool(function(pool, method) {
    env <- list2env(list(n = 1), parent = globalenv())
    options(wt.fun = eval(quote(function(x) x + n), env), wt.env = env, wt.list = list(f = toupper, deep = list(env)))
    seen <- in_global(function() {
      list(
        getOption("wt.fun")(1), getOption("wt.env")$n, getOption("wt.list")$f("a"), getOption("wt.list")$deep[[1]]$n,
        identical(environment(getOption("wt.fun")), getOption("wt.env"))
      )
    })
    expect_identical(pool$apply(seen), list(2, 1, "A", 1, TRUE))
    # a change inside is not sent (see the help), another value is
    env$n <- 2
    expect_identical(pool$apply(seen)[[2L]], 1)
    options(wt.env = list2env(list(n = 3), parent = globalenv()), wt.fun = in_global(function(x) x * 100))
    expect_identical(pool$apply(in_global(function() c(getOption("wt.env")$n, getOption("wt.fun")(2)))), c(3, 200))
    options(wt.fun = NULL, wt.env = NULL, wt.list = NULL)
    expect_identical(pool$apply(in_global(function() c(getOption("wt.fun"), getOption("wt.env"), getOption("wt.list")))), NULL)
  })
})

test_that("a task's graphics device is its own, and the session's is never touched", {
  file <- tempfile(fileext = ".pdf")
  grDevices::pdf(file)
  device <- grDevices::dev.cur()
  on.exit(if (device %in% grDevices::dev.list()) grDevices::dev.off(device))
  graphics::plot(1)
  grDevices::dev.flush()
  before <- list(grDevices::dev.list(), grDevices::dev.cur(), graphics::par("mfrow"))
  each_pool(function(pool, method) {
    own <- pool$apply(in_global(function(file) {
      grDevices::pdf(file)
      graphics::par(mfrow = c(2, 2))
      graphics::plot(1:2)
      opened <- grDevices::dev.cur()
      grDevices::dev.off()
      c(file.exists(file), file.size(file) > 1000)
    }), list(tempfile(fileext = ".pdf")))
    expect_identical(own, c(TRUE, TRUE))
    # one that a task leaves open, and a task that closes all it can see
    pool$apply(in_global(function(file) grDevices::pdf(file)), list(tempfile(fileext = ".pdf")))
    pool$apply(in_global(function() grDevices::graphics.off()))
    expect_identical(list(grDevices::dev.list(), grDevices::dev.cur(), graphics::par("mfrow")), before)
  })
  graphics::plot(2)
  grDevices::dev.off(device)
  bytes <- readBin(file, "raw", file.size(file))
  text <- rawToChar(bytes[bytes != as.raw(0)])
  expect_true(grepl("/Count 2", text, fixed = TRUE, useBytes = TRUE)) # the pages that the session drew, and no others
})

test_that("the search path keeps its order around Autoloads", {
  on.exit(suppressWarnings({
    for (name in intersect(c("wt_behind", "wt_before"), search())) detach(name, character.only = TRUE)
  }))
  each_pool(function(pool, method) {
    pool$apply(in_global(function() 1))
    behind <- length(search()) # just before package:base, behind Autoloads
    attach(list(wt_where = "behind"), pos = behind, name = "wt_behind", warn.conflicts = FALSE)
    expect_gt(match("wt_behind", search()), match("Autoloads", search()))
    task <- in_global(function() list(wt_where, setdiff(search(), grep("^tools:", search(), value = TRUE))))
    here <- setdiff(search(), grep("^tools:", search(), value = TRUE))
    expect_identical(pool$apply(task), list("behind", here))
    attach(list(wt_where = "before"), name = "wt_before", warn.conflicts = FALSE)
    here <- setdiff(search(), grep("^tools:", search(), value = TRUE))
    expect_identical(pool$apply(task), list("before", here))
    detach("wt_before", character.only = TRUE)
    expect_identical(pool$apply(task)[[1L]], "behind")
    detach("wt_behind", character.only = TRUE)
    expect_error(pool$apply(task), "wt_where")
    expect_identical(pool$apply(in_global(function() "Autoloads" %in% search())), TRUE)
  })
})

# In an R of its own: only a vector that malloc() gives pages of its own can show those of a block.
test_that("jobs that follow each other have the same large vector, without another allocation of its size", {
  skip_on_cran()
  skip_if_not_installed("Rcpp")
  skip_if(file.access("/proc/self/pagemap", 4L) != 0L, "the system does not tell which pages were written")
  seen <- in_background_r(function() {
    library(multiprocessing)
    evalq({
      Rcpp::cppFunction("std::string address(SEXP x) { return std::to_string((size_t) x); }", env = globalenv())
      Rcpp::cppFunction("void write(NumericVector x, int at, double value) { x[at - 1] = value; }", env = globalenv())
      large <- share(matrix(as.numeric(1:5e6), ncol = 100))
      named <- function() address(large)
      given <- function(x) address(x)
      told <- function(x, y = x) paste(length(dim(x)), sum(x), identical(x, y), address(x) == address(y))
      assigned <- function(x) {
        x[1] <- 0
        paste(sum(x))
      }
      written <- function(x) {
        write(x, length(x), 0)
        paste(sum(x))
      }
      plain <- share(as.numeric(1:5e6))
      wide <- plain
      dim(wide) <- c(10L, 5e5L)
    }, globalenv())
    pool <- Pool(1)
    event <- Event()
    # The worker finds each job waiting when it has done the one before.
    in_turn <- function(...) {
      event$clear()
      pool$apply_async(function(event) event$wait(), list(event))
      results <- lapply(list(...), function(job) do.call(pool$apply_async, job))
      event$set()
      vapply(results, function(r) r$get(), "")
    }
    global <- globalenv()
    list(
      named = in_turn(list(global$named), list(global$named), list(global$named)),
      given = in_turn(list(global$given, list(global$large)), list(global$given, list(global$large))),
      # But it is the session's value in each: after other attributes, two of one block, and what a task wrote.
      told = in_turn(
        list(global$told, list(global$plain)), list(global$told, list(global$wide)), list(global$told, list(global$wide, global$plain)),
        list(global$assigned, list(global$plain)), list(global$told, list(global$plain)),
        list(global$written, list(global$plain)), list(global$told, list(global$plain))
      )
    )
  })
  expect_length(unique(seen$named), 1L)
  expect_length(unique(seen$given), 1L)
  total <- sum(as.numeric(1:5e6))
  expect_identical(seen$told, c(
    paste(0, total, TRUE, TRUE), paste(2, total, TRUE, TRUE), paste(2, total, FALSE, FALSE),
    paste(total - 1), paste(0, total, TRUE, TRUE), paste(total - 5e6), paste(0, total, TRUE, TRUE)
  ))
})

test_that("a method that the session registers in place of a package's reaches workers, and so does the package's again", {
  skip_on_cran()
  tables <- list(stats = asNamespace("stats")[[".__S3MethodsTable__."]], utils = asNamespace("utils")[[".__S3MethodsTable__."]])
  was <- get("residuals.lm", tables$stats, inherits = FALSE)
  on.exit(assign("residuals.lm", was, envir = tables$stats))
  residuals_here <- in_global(function() stats::residuals(structure(list(residuals = 1), class = "lm")))
  head_here <- in_global(function() utils::head(structure(1:3, class = "wt_class")))
  each_pool(function(pool, method) {
    expect_identical(unname(pool$apply(residuals_here)), 1)
    registerS3method("residuals", "lm", in_global(function(object, ...) "ours"), envir = asNamespace("stats"))
    expect_identical(pool$apply(residuals_here), "ours")
    younger <- Pool(1, context = "fork")
    expect_identical(younger$apply(residuals_here), "ours")
    registerS3method("residuals", "lm", in_global(function(object, ...) "again"), envir = asNamespace("stats"))
    expect_identical(list(pool$apply(residuals_here), younger$apply(residuals_here)), list("again", "again"))
    assign("residuals.lm", was, envir = tables$stats)
    expect_identical(c(pool$apply(residuals_here), younger$apply(residuals_here)), c(1, 1), ignore_attr = TRUE)
    registerS3method("head", "wt_class", in_global(function(x, ...) "head"), envir = asNamespace("utils"))
    expect_identical(list(pool$apply(head_here), younger$apply(head_here)), list("head", "head"))
    rm("head.wt_class", envir = tables$utils)
    expect_identical(list(pool$apply(head_here), younger$apply(head_here)), rep(list(head_here()), 2))
    younger$terminate()
  })
})

test_that("variables that take the place of others, and numbers of a compiled loop, are seen", {
  on.exit(suppressWarnings(rm(list = c("wt_a", "wt_b", "wt_i", "wt_k", "wt_seen", "wt_pool", "wt_look", "wt_lazy"), envir = globalenv())))
  look <- in_global(function() {
    there <- function(value) tryCatch(paste(value), error = function(e) "none")
    c(wt_a = there(wt_a), wt_b = there(wt_b), wt_lazy = there(wt_lazy))
  })
  each_pool(function(pool, method) {
    assign("wt_a", 1, globalenv())
    expect_identical(pool$apply(look), c(wt_a = "1", wt_b = "none", wt_lazy = "none"))
    for (i in 1:20) { # whatever chains of R's table they lie in
      rm("wt_a", envir = globalenv())
      assign("wt_b", i, globalenv())
      expect_identical(pool$apply(look), c(wt_a = "none", wt_b = paste(i), wt_lazy = "none"))
      rm("wt_b", envir = globalenv())
      assign("wt_a", i + 0.5, globalenv())
      expect_identical(pool$apply(look), c(wt_a = paste(i + 0.5), wt_b = "none", wt_lazy = "none"))
    }
    rm("wt_a", envir = globalenv())
    makeActiveBinding("wt_a", in_global(function() "active"), globalenv())
    delayedAssign("wt_lazy", "forced", assign.env = globalenv())
    expect_identical(pool$apply(look)[["wt_a"]], "active")
    get("wt_lazy", globalenv())
    expect_identical(pool$apply(look)[["wt_lazy"]], "forced")
    assign("wt_lazy", "new", globalenv())
    rm("wt_a", envir = globalenv())
    expect_identical(pool$apply(look), c(wt_a = "none", wt_b = "none", wt_lazy = "new"))
    rm("wt_lazy", envir = globalenv())
    # In a loop that R compiles, numbers lie in the cells of the global environment themselves.
    assign("wt_pool", pool, globalenv())
    assign("wt_look", in_global(function() c(get("wt_i"), get("wt_k"))), globalenv())
    assign("wt_seen", list(), globalenv())
    compiler::enableJIT(3)
    eval(compiler::compile(quote(for (wt_i in 1:3) {
      wt_k <- wt_i * 2
      wt_seen[[wt_i]] <- wt_pool$apply(wt_look)
    }), globalenv()), globalenv())
    expect_identical(get("wt_seen", globalenv()), list(c(1, 2), c(2, 4), c(3, 6)))
    rm(list = c("wt_i", "wt_k", "wt_seen", "wt_pool", "wt_look"), envir = globalenv())
  })
})

test_that("a namespace that takes the place of another is seen", {
  skip_on_cran()
  in_parallel <- c("splines", "stats4")
  if (any(in_parallel %in% loadedNamespaces())) skip("they are loaded")
  on.exit(for (package in in_parallel) try(unloadNamespace(package), silent = TRUE))
  loaded <- in_global(function() intersect(c("splines", "stats4"), sub("package:", "", search())))
  each_pool(function(pool, method) {
    suppressWarnings(library("splines", character.only = TRUE))
    expect_identical(pool$apply(loaded), "splines")
    unloadNamespace("splines")
    suppressWarnings(library("stats4", character.only = TRUE))
    expect_identical(pool$apply(loaded), "stats4")
    unloadNamespace("stats4")
  })
})

test_that("variables that share an environment share it in a worker, though one is newer than the other", {
  on.exit(suppressWarnings(rm(list = c("wt_one", "wt_two", "wt_get", "wt_put", "wt_list"), envir = globalenv())))
  each_pool(function(pool, method) {
    assign("wt_one", list2env(list(n = 1), parent = globalenv()), globalenv())
    expect_identical(pool$apply(in_global(function() wt_one$n)), 1)
    assign("wt_two", get("wt_one", globalenv()), globalenv())
    together <- in_global(function() {
      wt_one$n <- wt_one$n + 1
      c(wt_two$n, identical(wt_one, wt_two))
    })
    expect_identical(pool$apply(together), c(2, 1))
    assign("wt_get", eval(quote(function() n), get("wt_one", globalenv())), globalenv())
    expect_identical(pool$apply(in_global(function() c(wt_two$n, wt_get()))), c(1, 1))
    assign("wt_put", eval(quote(function(v) n <<- v), get("wt_one", globalenv())), globalenv())
    assign("wt_list", list(a = wt_get, b = list(wt_one)), globalenv())
    rm("wt_two", envir = globalenv())
    shared <- in_global(function() {
      wt_put(7)
      c(wt_get(), wt_one$n, wt_list$a(), wt_list$b[[1]]$n)
    })
    expect_identical(pool$apply(shared), c(7, 7, 7, 7))
  })
})

test_that("the kind of random numbers is seen though the session has removed its seed", {
  kind <- RNGkind()
  on.exit(suppressWarnings(RNGkind(kind[1], kind[2], kind[3])))
  each_pool(function(pool, method) {
    pool$apply(in_global(function() stats::runif(1)))
    RNGkind("Wichmann-Hill")
    rm(".Random.seed", envir = globalenv())
    expect_identical(pool$apply(in_global(function() RNGkind()[1])), "Wichmann-Hill")
    expect_false(exists(".Random.seed", globalenv(), inherits = FALSE))
    suppressWarnings(RNGkind(kind[1], kind[2], kind[3]))
  })
})

test_that("an environment that gets another one around it is as it is", {
  on.exit(suppressWarnings(rm(list = c("wt_env", "wt_far"), envir = globalenv())))
  far <- in_global(function() get0("wt_far", wt_env, ifnotfound = "not found"))
  each_pool(function(pool, method) {
    assign("wt_far", "found", globalenv())
    assign("wt_env", new.env(parent = emptyenv()), globalenv())
    expect_identical(pool$apply(far), "not found")
    eval(quote(parent.env(wt_env) <- globalenv()), globalenv())
    expect_identical(pool$apply(far), "found")
    eval(quote(parent.env(wt_env) <- list2env(list(wt_far = "nearer"))), globalenv())
    expect_identical(pool$apply(far), "nearer")
  })
})

test_that("a variable of an S4 class brings the package of the class", {
  skip_if_not_installed("Matrix")
  on.exit(suppressWarnings(rm("wt_matrix", envir = globalenv())))
  for (method in c("fork", "spawn")) {
    pool <- Pool(1, context = method)
    pool$apply(function() 1)
    assign("wt_matrix", getExportedValue("Matrix", "sparseMatrix")(1:3, 1:3, x = 1:3), globalenv())
    expect_identical(pool$apply(in_global(function() as.numeric(wt_matrix %*% wt_matrix))), as.numeric(diag((1:3)^2)))
    expect_identical(pool$apply(in_global(function() sum(get("wt_matrix")))), 6)
    pool$terminate()
    rm("wt_matrix", envir = globalenv())
  }
})

test_that("an environment that is an argument and a variable arrives as two", {
  on.exit(suppressWarnings(rm("wt_env", envir = globalenv())))
  assign("wt_env", list2env(list(n = 1), parent = globalenv()), globalenv())
  each_pool(function(pool, method) {
    both <- in_global(function(e) {
      e$n <- 2
      c(e$n, wt_env$n)
    })
    expect_identical(pool$apply(both, list(get("wt_env", globalenv()))), c(2, 1))
  })
})

test_that("an S4 method of the session for a package's generic leaves the package's own in place", {
  on.exit({
    suppressWarnings(methods::removeMethod("show", "WtShown", where = globalenv()))
    methods::removeClass("WtShown", where = globalenv())
  })
  each_pool(function(pool, method) {
    methods::setClass("WtShown", representation(v = "numeric"), where = globalenv())
    methods::setMethod("show", "WtShown", in_global(function(object) cat("shown\n")), where = globalenv())
    shown <- in_global(function() c(capture.output(methods::new("WtShown", v = 1)), capture.output(methods::getClass("numeric"))[1]))
    expect_identical(pool$apply(shown), shown())
    suppressWarnings(methods::removeMethod("show", "WtShown", where = globalenv()))
    expect_identical(pool$apply(shown)[-1], shown()[-1])
  })
})

test_that("an active binding of an attached list is one in a worker", {
  on.exit({
    suppressWarnings(rm("wt_n", envir = globalenv()))
    if ("wt_attached" %in% search()) detach("wt_attached", character.only = TRUE)
  })
  look <- in_global(function() c(wt_live, wt_plain))
  each_pool(function(pool, method) {
    assign("wt_n", 2, globalenv())
    list_there <- attach(list(wt_plain = 1), name = "wt_attached")
    makeActiveBinding("wt_live", in_global(function() wt_n * 10), list_there)
    expect_identical(pool$apply(look), c(20, 1))
    assign("wt_n", 3, globalenv())
    expect_identical(pool$apply(look), c(30, 1))
    rm("wt_live", envir = list_there)
    makeActiveBinding("wt_live", in_global(function() 5), list_there)
    expect_identical(pool$apply(look), c(5, 1))
    detach("wt_attached", character.only = TRUE)
    expect_error(pool$apply(look), "wt_live")
  })
})
