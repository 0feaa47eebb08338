# What the children of the mclapply family have of the session's: handlers, settings, hooks of parallel.

family <- list(
  mclapply = function(f) mclapply(1:4, f, mc.cores = 2),
  `mclapply, dynamic` = function(f) mclapply(1:4, f, mc.cores = 2, mc.preschedule = FALSE),
  mcmapply = function(f) mcmapply(f, 1:4, mc.cores = 2, SIMPLIFY = FALSE),
  pvec = function(f) as.list(pvec(1:4, function(v) vapply(v, f, 1), mc.cores = 2)),
  mcparallel = function(f) unname(mccollect(lapply(1:4, function(i) mcparallel(f(i)))))
)

warns <- function(i) {
  warning("warned")
  message("told")
  i + 0.5
}

test_that("suppressWarnings() and suppressMessages() around a call hold in its children", {
  for (name in names(family)) {
    shown <- capture.output(res <- suppressMessages(suppressWarnings(family[[name]](warns))), type = "message")
    expect_identical(shown, character(), info = name)
    expect_identical(res, as.list(1:4 + 0.5), info = name)
  }
})

test_that("calling handlers around a call see what its children signal", {
  for (name in names(family)) {
    shown <- capture.output(res <- withCallingHandlers(
      family[[name]](warns),
      warning = function(w) {
        cat("W\n")
        invokeRestart("muffleWarning")
      },
      message = function(m) {
        cat("M\n")
        invokeRestart("muffleMessage")
      }
    ))
    expect_identical(sort(shown), rep(c("M", "W"), each = 4), info = name)
    expect_identical(res, as.list(1:4 + 0.5), info = name)
  }
})

test_that("with options(warn = 2) a suppressed warning is none", {
  old <- options(warn = 2)
  on.exit(options(old))
  for (name in names(family)) {
    expect_identical(suppressMessages(suppressWarnings(family[[name]](warns))), as.list(1:4 + 0.5), info = name)
  }
})

test_that("options(warn = -1) holds in children", {
  old <- options(warn = -1)
  on.exit(options(old))
  for (name in names(family)) {
    expect_identical(capture.output(invisible(family[[name]](function(i) {
      warning("never shown")
      1
    })), type = "message"), character(), info = name)
  }
})

test_that("global calling handlers hold in children", {
  shown <- in_fresh_r("
    suppressMessages(library(multiprocessing))
    globalCallingHandlers(message = function(m) { cat('seen\\n'); invokeRestart('muffleMessage') })
    x <- mclapply(1:2, function(i) message('m'), mc.cores = 2)
    x <- mccollect(mcparallel(message('m')))
  ")
  expect_identical(shown, rep("seen", 3))
})

# Ways to leave a task for the code around the call
jumps <- list(
  `an exiting handler` = function(call) tryCatch(call(function() signalCondition(structure(class = c("mine", "condition"), list(message = "", call = NULL)))), mine = function(c) "left"),
  `a restart` = function(call) withRestarts(call(function() invokeRestart("mine")), mine = function() "left"),
  `top level` = function(call) call(function() invokeRestart("abort")),
  `a continuation` = function(call) callCC(function(k) call(function() k("left"))),
  `another function's return` = function(call) (function(value) call(function() value))(return("left"))
)

test_that("a jump out of a task ends in its child: the task has failed as in parallel, the other elements are computed", {
  for (name in names(jumps)) {
    after <- tempfile()
    for (p in list(theirs(), ours())) {
      session <- Sys.getpid()
      res <- quiet(jumps[[name]](function(jump) {
        res <- p$mclapply(1:2, function(i) if (i == 2) jump() else i, mc.cores = 2)
        cat(Sys.getpid(), "\n", file = after, append = TRUE)
        res
      }))
      expect_identical(res, list(1L, structure("fatal error in wrapper code", class = "try-error")), info = name)
    }
    expect_identical(as.integer(readLines(after)), rep(Sys.getpid(), 2)) # no child ran the session's code
    res <- quiet(jumps[[name]](function(jump) mclapply(1:6, function(i) if (i %in% 3:4) jump() else i, mc.cores = 2)))
    expect_identical(res[-(3:4)], list(1L, 2L, 5L, 6L), info = name)
    res <- jumps[[name]](function(jump) unname(mccollect(mcparallel(jump()))))
    expect_identical(res, list(structure("fatal error in wrapper code", class = "try-error")), info = name)
  }
})

test_that("mc.stop.on.error says what a jump out of a task is", {
  error <- error_of(callCC(function(k) mclapply(1:2, function(i) k(i), mc.cores = 2, mc.stop.on.error = TRUE)))
  expect_s3_class(error, "TaskError")
  expect_match(conditionMessage(error), "put tryCatch\\(\\) into the function")
})

test_that("R's compiler is off in children, as in parallel, and as before in the session", {
  level <- compiler::enableJIT(-1L)
  for (name in names(family)) {
    expect_identical(unique(family[[name]](function(i) compiler::enableJIT(-1L) + 0)), list(0), info = name)
  }
  expect_identical(compiler::enableJIT(-1L), level)
})

test_that("children know that they are children", {
  for (name in names(family)) {
    res <- family[[name]](function(i) parallel:::isChild() + 2 * parallelly::isForkedChild() + 4 * interactive())
    expect_identical(res, rep(list(3), 4), info = name)
  }
  pool <- local_pool(1, context = "fork")
  expect_true(pool$apply(function() parallel:::isChild() && parallelly::isForkedChild()))
  expect_false(parallel:::isChild())
})

test_that("interactive() is FALSE in the children of an interactive session", {
  shown <- in_fresh_r("
    suppressMessages(library(multiprocessing))
    cat('\\nSEEN', interactive(), unlist(mclapply(1:2, function(i) interactive(), mc.cores = 2)),
      unlist(mclapply(1:2, function(i) interactive(), mc.cores = 2, mc.preschedule = FALSE)),
      pvec(1:2, function(v) interactive(), mc.cores = 2), mccollect(mcparallel(interactive()))[[1]], '\\n')
  ", c("--interactive", "--no-readline"))
  expect_identical(grep("^SEEN [TF]", shown, value = TRUE), "SEEN TRUE FALSE FALSE FALSE FALSE FALSE FALSE FALSE ")
})

test_that("parallel's own mclapply() in a child obeys mc.allow.recursive, and its children end as always", {
  processes <- function(recursive) {
    unlist(mclapply(1:2, function(i) {
      pids <- unlist(parallel::mclapply(1:2, function(j) Sys.getpid(), mc.cores = 2, mc.allow.recursive = recursive))
      length(unique(c(pids, Sys.getpid())))
    }, mc.cores = 2))
  }
  expect_identical(processes(FALSE), c(1L, 1L))
  expect_identical(processes(TRUE), c(3L, 3L))
})

test_that("a task that calls parallel's mcexit() has left", {
  res <- quiet(mclapply(1:2, function(i) if (i == 2) parallel:::mcexit(3L) else i, mc.cores = 2))
  expect_identical(attr(res[[2]], "condition")$exitcode, 3L)
})

test_that("what stands in the place of parallel's mcexit() is called before a call returns", {
  shown <- in_fresh_r("
    suppressMessages(library(multiprocessing))
    saved <- tempfile()
    exit <- parallel:::mcexit
    body(exit) <- bquote({
      Sys.sleep(0.2)
      cat(Sys.getpid(), '\\n', file = .(saved), append = TRUE)
      .(body(exit))
    })
    assignInNamespace('mcexit', exit, 'parallel')
    count <- function() { n <- length(readLines(saved)); unlink(saved); n }
    x <- mclapply(1:4, identity, mc.cores = 2)
    cat(count(), '')
    x <- mclapply(1:4, identity, mc.cores = 2, mc.preschedule = FALSE)
    cat(count(), '')
    x <- pvec(1:4, identity, mc.cores = 2)
    cat(count(), '')
    x <- mccollect(list(mcparallel(1), mcparallel(2)))
    cat(count(), '\\n')
  ")
  expect_identical(shown, "2 2 2 2 ")
})

test_that("covr counts the lines that run in children", {
  skip_if_not_installed("covr")
  shown <- in_fresh_r("
    folder <- tempfile()
    dir.create(folder)
    file <- tempfile(fileext = '.R')
    test <- tempfile(fileext = '.R')
    writeLines(c('f <- function(i) {', '  i + 1', '}'), file)
    writeLines('x <- multiprocessing::mclapply(1:4, f, mc.cores = 2)', test)
    covr:::fix_mcexit(deparse(folder))
    x <- covr::file_coverage(file, test)
    saved <- lapply(list.files(folder, full.names = TRUE), readRDS)
    cat(vapply(saved, function(counters) as.list(counters)[[1]]$value, 1), '\n')
  ")
  expect_identical(shown, "2 2 ")
})

test_that("a connection in a result arrives as in parallel", {
  for (connection in list(stdin(), stdout(), stderr())) {
    expect_parity(function(p) p$mclapply(1:3, function(i) list(i, log = connection), mc.cores = 2))
    expect_parity(function(p) p$mclapply(1:2, function(i) connection, mc.cores = 2, mc.preschedule = FALSE))
    expect_parity(function(p) unname(p$mccollect(p$mcparallel(connection))))
  }
})
