# Promises of the session, and looks at it that are interrupted.

test_that("a promise of the session that stops does so in a task, and a package that is attached in part is so there", {
  skip_on_cran()
  on.exit(suppressWarnings(rm("wt_lazy", envir = globalenv())))
  shown <- in_global(function() c(exists("toTitleCase"), exists("file_ext")))
  if ("package:tools" %in% search()) skip("package tools is attached")
  each_pool(function(pool, method) {
    delayedAssign("wt_lazy", stop("not today"), assign.env = globalenv())
    looks <- in_global(function() tryCatch(wt_lazy, error = conditionMessage))
    expect_identical(suppressWarnings(pool$apply(looks)), "not today")
    assign("wt_lazy", "now", globalenv())
    expect_identical(pool$apply(looks), "now")
    library("tools", character.only = TRUE, include.only = "toTitleCase")
    expect_identical(pool$apply(shown), c(TRUE, FALSE))
    detach("package:tools")
    library("tools", character.only = TRUE, exclude = "toTitleCase")
    expect_identical(pool$apply(shown), c(FALSE, TRUE))
    detach("package:tools")
    library("tools", character.only = TRUE)
    expect_identical(pool$apply(shown), c(TRUE, TRUE))
    detach("package:tools")
  })
})

test_that("a promise of the session may use the same pool, and remove a variable that the job names", {
  names <- paste0("wt_new_", 1:40)
  on.exit(suppressWarnings(rm(list = c("wt_lazy", "wt_big", "wt_pool", names), envir = globalenv())))
  each_pool(function(pool, method) {
    assign("wt_pool", pool, globalenv())
    assign("wt_big", as.numeric(1:50000), globalenv())
    delayedAssign("wt_lazy",
      {
        for (name in names) assign(name, 1, globalenv())
        used <- wt_pool$map(in_global(function(i) i), 1:4)
        assign("wt_big", NULL, globalenv())
        gc()
        sum(unlist(used))
      },
      assign.env = globalenv()
    )
    expect_identical(pool$map(in_global(function(i) c(wt_lazy[i], sum(wt_big))), 1L), list(c(10, 1250025000)))
    rm(list = c("wt_lazy", "wt_big", "wt_pool", names), envir = globalenv())
  })
})

test_that("of a promise that is older than a forked worker the task has the session's value, and `globals` come before it", {
  on.exit(suppressWarnings(rm("wt_lazy", envir = globalenv())))
  delayedAssign("wt_lazy", Sys.getpid(), assign.env = globalenv())
  pool <- Pool(2, context = "fork")
  on.exit(pool$terminate(), add = TRUE)
  look <- in_global(function(i) wt_lazy)
  expect_identical(pool$map(look, 1:2), list(Sys.getpid(), Sys.getpid()))
  expect_identical(pool$map(look, 1:2, globals = list(wt_lazy = 5)), list(5, 5))
  expect_identical(pool$map(look, 1:2), list(Sys.getpid(), Sys.getpid()))
  pool$map(in_global(function(i) assign("wt_lazy", "own", globalenv())), 1:2, chunksize = 1L)
  assign("wt_lazy", "new", globalenv())
  expect_identical(pool$map(look, 1:2), list("new", "new"))
})

test_that("a variable that a worker cannot evaluate does not stop a job that brings its value, or another job", {
  on.exit(suppressWarnings(rm(list = c("wt_lazy", "wt_con"), envir = globalenv())))
  delayedAssign("wt_lazy", stop("not today"), assign.env = globalenv())
  pool <- Pool(1, context = "fork")
  on.exit(pool$terminate(), add = TRUE)
  look <- in_global(function() tryCatch(wt_lazy, error = conditionMessage))
  expect_identical(pool$apply(look, globals = list(wt_lazy = 1)), 1)
  expect_identical(suppressWarnings(pool$apply(look)), "not today")
  expect_identical(suppressWarnings(pool$apply(look, globals = list(wt_lazy = 2))), 2)
  pool$apply(in_global(function() delayedAssign("wt_lazy", stop("not here"), assign.env = globalenv())), globals = list(wt_lazy = 3))
  expect_identical(pool$apply(in_global(function() "well")), "well")
})

test_that("an error of the session's promise that cannot be sent arrives with its message", {
  con <- textConnection("text")
  on.exit({
    close(con)
    suppressWarnings(rm("wt_lazy", envir = globalenv()))
  })
  each_pool(function(pool, method) {
    failed <- structure(class = c("wt_error", "error", "condition"), list(message = "not sent", call = NULL, con = con))
    delayedAssign("wt_lazy", stop(failed), assign.env = globalenv())
    expect_identical(pool$apply(in_global(function() tryCatch(wt_lazy, error = conditionMessage))), "not sent")
    expect_identical(pool$apply(in_global(function() "well")), "well")
  })
})

test_that("what an interrupted look at the session has missed the next one finds", {
  folder <- getwd()
  on.exit(setwd(folder))
  on.exit(if ("wt_missed" %in% search()) detach("wt_missed", character.only = TRUE), add = TRUE)
  here <- in_global(function() list(wt_value, basename(getwd())))
  # `code` while the function of the package that tells this fact fails
  interrupted <- function(fact, code) {
    package <- asNamespace("multiprocessing")
    was <- get(fact, package)
    unlockBinding(fact, package)
    on.exit({
      assign(fact, was, package)
      lockBinding(fact, package)
    })
    assign(fact, function() stop("interrupted"), package)
    expect_error(force(code), "interrupted")
  }
  each_pool(function(pool, method) {
    pool$apply(in_global(function() 1))
    attach(list(wt_value = method), name = "wt_missed")
    setwd(tempdir())
    interrupted("search_of_session", pool$apply(here))
    interrupted("folder_of_session", pool$apply(here))
    expect_identical(pool$apply(here), list(method, basename(tempdir())))
    detach("wt_missed", character.only = TRUE)
    setwd(folder)
  })
})

test_that("Ctrl-C ends the evaluation of a slow promise", {
  on.exit(suppressWarnings(rm(list = c("wt_lazy", "wt_done"), envir = globalenv())))
  each_pool(function(pool, method) {
    delayedAssign("wt_lazy",
      {
        tools::pskill(Sys.getpid(), tools::SIGINT)
        for (i in 1:200) Sys.sleep(0.01)
        assign("wt_done", TRUE, globalenv())
      },
      assign.env = globalenv()
    )
    look <- in_global(function(i) wt_lazy)
    expect_identical(tryCatch(pool$map(look, 1:2), interrupt = function(e) "interrupted"), "interrupted")
    expect_false(exists("wt_done", globalenv()))
    expect_identical(pool$map(in_global(function(i) i), 1:2), list(1L, 2L))
    rm("wt_lazy", envir = globalenv())
  })
})
