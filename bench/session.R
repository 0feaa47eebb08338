# What it costs that a task sees the session as it is: jobs on a running pool of one worker, with more and more in the
# global environment; future's analysis of the same code beside it.
#   Rscript bench/session.R [--rounds=5]

# Everything is local: the global environment is empty but for what a contestant puts there.
local({
  here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1L]))
  source(file.path(here, "peers.R"), local = TRUE)
  source(file.path(here, "engines.R"), local = TRUE)
  heading("What a job costs beside its task: the state of the session")

  #' A task's function as a user has it: of the global environment, and compiled as after its first calls.
  global <- function(f) {
    environment(f) <- globalenv()
    compiler::cmpfun(f)
  }
  plain <- global(function(x) x)
  # a function of base R that may look at the session: the journal is compared with it
  looks <- global(function(x) paste(x))
  uses <- global(function(x) bench_changed(x))

  clear <- function() rm(list = ls(globalenv(), all.names = TRUE, pattern = "^bench_"), envir = globalenv())
  fill <- function(n) for (i in seq_len(n)) assign(paste0("bench_", i), c(i, 0.5), globalenv())
  big <- function() assign("bench_big", numeric(5e7), globalenv())
  nothing <- function() NULL

  #' A new function of 1 kB; change() puts one under the name that `uses` calls.
  version <- 0
  new_function <- function() {
    version <<- version + 1
    eval(call("function", as.pairlist(alist(x = )), bquote({
      text <- .(strrep("x", 700))
      nchar(text) + .(version) * x
    })), globalenv())
  }
  change <- function() assign("bench_changed", new_function(), globalenv())

  # ---- jobs --------------------------------------------------------------------------------------

  apply_job <- function(f) function(pool) pool$apply(f, list(1))
  map_job <- function(f) function(pool) pool$map(f, 1:10)
  #' Creates the future and leaves out what future takes to look whether it is done, 0.05 s.
  future_job <- function(f) function(cl) future::future(f(1), globals = TRUE)
  analysis_job <- function(f) {
    frame <- environment()
    function(state) future::getGlobalsAndPackages(quote(f(1)), envir = frame)
  }
  globals_job <- function(f) {
    frame <- environment()
    function(state) globals::globalsOf(quote(f(1)), envir = frame, mustExist = FALSE)
  }

  #' Seconds per job with `fill()` in the global environment.
  job_with <- function(fill, job) {
    function(state) {
      on.exit(clear())
      fill()
      job(state)
      time_per(function() job(state), total = 0.2)
    }
  }

  #' The same of what only starts a job; its end is awaited, not timed.
  start_with <- function(fill, job) {
    function(state) {
      on.exit(clear())
      fill()
      stats::median(vapply(1:8, function(i) {
        start <- now()
        begun <- job(state)
        taken <- now() - start
        future::value(begun)
        taken
      }, 0))
    }
  }

  #' Seconds that a job takes more with `fill()` than without: without, with, without, on one pool. `before()` precedes each job
  #' of those with; `otherwise()` precedes each of the others, and takes as long: a worker that has waited starts later.
  more_with <- function(fill, job, before = NULL, always = nothing, otherwise = NULL) {
    function(pool) {
      on.exit(clear())
      per_job <- function(before = NULL) {
        f <- if (is.null(before)) function() job(pool) else function() {
          before()
          job(pool)
        }
        for (i in 1:20) f()
        time_per(f, total = 0.15)
      }
      always()
      without <- per_job(otherwise)
      fill()
      with <- per_job(before)
      clear()
      always()
      with - mean(c(without, per_job(otherwise)))
    }
  }

  #' The same of the first job after `fill()` only.
  first_with <- function(fill, job) {
    function(pool) {
      on.exit(clear())
      for (i in 1:20) job(pool)
      usual <- stats::median(vapply(1:21, function(i) elapsed(function() job(pool)), 0))
      fill()
      elapsed(function() job(pool)) - usual
    }
  }

  # ---- tables ------------------------------------------------------------------------------------

  hundred <- function() fill(100L)
  many <- function() fill(10000L)
  hundred_and_changed <- function() {
    hundred()
    change()
  }
  ours_on <- function(name, run) on(our_pool(1L), name, run)

  # future sends what the code names, so its rows have a function that calls another
  compare("one job, running pool of 1", "us", list(
    ours_on("ours, apply, plain function", job_with(nothing, apply_job(plain))),
    ours_on("ours, map of 10, plain function", job_with(nothing, map_job(plain))),
    ours_on("ours, apply, paste()", job_with(nothing, apply_job(looks))),
    ours_on("ours, apply, calls a function", job_with(hundred_and_changed, apply_job(uses))),
    on(futures(1L), "future(), calls a function", rounds = 3L, run = start_with(hundred_and_changed, future_job(uses))),
    contestant("getGlobalsAndPackages(), same", when = has("future"), rounds = 3L, run = {
      job_with(hundred_and_changed, analysis_job(uses))
    }),
    contestant("globalsOf(), same", when = has("globals"), rounds = 3L, run = {
      job_with(hundred_and_changed, globals_job(uses))
    })
  ))

  #' A table of what a job takes more. Rows are `list(name, run, at_most)`, without the last where nothing is promised. The first
  #' row is a job without anything more: no promise is judged that is smaller than what this row says of the machine.
  more <- function(work, rows) {
    result <- compare(work, "us", lapply(rows, function(row) ours_on(row[[1L]], row[[2L]])))
    noise <- abs(medians(result)[rows[[1L]][[1L]]])
    for (row in Filter(function(row) length(row) == 3L, rows)) {
      if (isTRUE(noise > row[[3L]])) {
        said <- "%s: two readings of the same differ by %s; must be <= %s"
        verdict("SKIP", work, sprintf(said, row[[1L]], show_figure(noise, "us"), show_figure(row[[3L]], "us")))
      } else {
        must_be(result, at_most = row[[3L]], who = row[[1L]])
      }
    }
  }

  # "nothing": what two readings of the same differ by
  none <- 2e-6
  more("what a job takes more, apply of a plain function", list(
    list("the same again", more_with(nothing, apply_job(plain))),
    list("100 objects", more_with(hundred, apply_job(plain)), 10e-6),
    list("10,000 objects", more_with(many, apply_job(plain)), 500e-6),
    list("400 MB, not named", more_with(big, apply_job(plain)), none)
  ))
  more("what a job takes more, map of 10 elements, plain function", list(
    list("the same again", more_with(nothing, map_job(plain))),
    list("100 objects", more_with(hundred, map_job(plain)), 10e-6),
    list("10,000 objects", more_with(many, map_job(plain)), 500e-6),
    list("400 MB, not named", more_with(big, map_job(plain)), none)
  ))
  more("what a job takes more, apply of paste(), which may look at the session", list(
    list("the same again", more_with(nothing, apply_job(looks))),
    list("100 objects", more_with(hundred, apply_job(looks)), 10e-6),
    list("10,000 objects", more_with(many, apply_job(looks)), 500e-6),
    list("400 MB, not named", more_with(big, apply_job(looks)), none),
    list("400 MB, the first job after", first_with(big, apply_job(looks)))
  ))
  more("what a job takes more, apply of a function that calls one of 1 kB, 100 objects", list(
    list("the same again", more_with(nothing, apply_job(uses), new_function, hundred_and_changed, new_function)),
    list("that function changed", more_with(nothing, apply_job(uses), change, hundred_and_changed, new_function), 50e-6)
  ))

  finish()
})
