# Random programs for the differential test: steps that change what a session has, each followed by tasks that look at it.
# A program is a list of expressions that are evaluated in the global environment, and of tasks. Everything has a name that
# begins with `dp_` or `Dp`, or a well-known one that it masks, and is taken back at the end.

program_of <- function(seed, kinds = NULL) {
  set.seed(seed, kind = "Mersenne-Twister", normal.kind = "Inversion", sample.kind = "Rejection")
  if (is.null(kinds)) kinds <- sample(available_steps(), sample(2:4, 1L), replace = TRUE)
  unlist(lapply(kinds, drawn_step), recursive = FALSE)
}

available_steps <- function() {
  needed <- list(tidy = c("rlang", "glue"), r6 = "R6", r6_inheritance = "R6")
  can <- function(kind) all(vapply(needed[[kind]], requireNamespace, TRUE, quietly = TRUE))
  Filter(can, names(program_steps))
}

drawn_step <- function(kind) {
  pick <- function(...) {
    choices <- list(...)
    choices[[sample.int(length(choices), 1L)]]
  }
  draws <- list(
    pick = pick, k = sample(100L, 1L), m = sample(100L, 1L), fun = sprintf("dp_f%d", sample(3L, 1L)),
    var = sprintf("dp_v%d", sample(3L, 1L)), class = sprintf("dp_class%d", sample(2L, 1L))
  )
  step <- program_steps[[kind]]
  environment(step) <- list2env(draws, parent = environment(step))
  step()
}

# A function of `x`, which has a number; or what `argument` gives in the session; made in the environment `frame` gives.
task <- function(code, argument = NULL, frame = quote(globalenv())) {
  structure(list(code = code, argument = argument, frame = frame), class = "program_task")
}
task_of <- function(argument, code) task(code, argument)
task_in <- function(frame, code) task(code, frame = frame)

# What can be compared: the value, or the message of the error.
outcome_of <- function(expr) {
  tryCatch(list(value = expr), error = function(e) list(error = conditionMessage(e)))
}

# What the session gives now: in a fork of its own, because a task may change what it has.
outcome_in_session <- function(fun, x) {
  parallel::mccollect(parallel::mcparallel(outcome_of(base::suppressWarnings(fun(x))), mc.set.seed = FALSE))[[1L]]
}

same_outcome <- function(got, wanted) {
  if (is.null(wanted$error)) return(identical(got, wanted))
  !is.null(got$error) && grepl(wanted$error, got$error, fixed = TRUE)
}

# What a program did is taken back.
forget_program <- function(before) {
  gone <- base::setdiff(base::ls(globalenv(), all.names = TRUE), before$names)
  if (".__T__show:methods" %in% gone) suppressWarnings(methods::removeMethods("show", where = globalenv()))
  masks <- gone[!startsWith(gone, ".__")]
  base::rm(list = masks, envir = globalenv())
  while (length(more <- setdiff(search(), before$search))) detach(more[1L], character.only = TRUE)
  for (class in c("DpChild", "DpBox", "DpHeir", "DpAcc", "DpEither", "dp_old")) {
    if (methods::isClass(class)) suppressWarnings(methods::removeClass(class, where = globalenv()))
  }
  for (f in c("+", "length", "Arith", "initialize", "coerce")) {
    if (any(startsWith(gone, paste0(".__T__", f, ":")))) suppressWarnings(suppressMessages(methods::removeMethods(f, where = globalenv())))
  }
  for (f in c("dp_open", "dp_v<-")) {
    if (methods::isGeneric(f)) suppressWarnings(suppressMessages(methods::removeGeneric(f, where = globalenv())))
  }
  rm(list = setdiff(ls(globalenv(), all.names = TRUE), before$names), envir = globalenv())
  options(before$options)
  options(dp.opt = NULL)
  Sys.unsetenv(c("DP_VAR", "TZ"))
  if (!is.na(before$zone)) Sys.setenv(TZ = before$zone)
  setwd(before$folder)
  for (category in names(before$locale)) Sys.setlocale(category, before$locale[[category]])
  do.call(suppressWarnings(RNGkind), as.list(before$random))
}

session_now <- function() {
  categories <- c("LC_COLLATE", "LC_CTYPE", "LC_MONETARY", "LC_TIME", "LC_MESSAGES")
  list(
    names = ls(globalenv(), all.names = TRUE), search = search(), zone = Sys.getenv("TZ", NA), folder = getwd(), random = RNGkind(),
    options = options("digits", "scipen", "OutDec", "contrasts", "warn", "stringsAsFactors"),
    locale = vapply(categories, Sys.getlocale, "")
  )
}

# Compares the tasks of one program on all engines with what the session gives; returns lines that say what differed.
# `engines`: `pools` that are older than the program, `young`: TRUE for one that begins in the middle, `processes`: start methods
# of which each task, or one of a program, gets a Process.
program_differences <- function(seed, engines, kinds = NULL) {
  before <- session_now()
  on.exit(suppressMessages(forget_program(before)))
  steps <- program_of(seed, kinds)
  is_task <- vapply(steps, inherits, TRUE, "program_task")
  chosen <- which(is_task)[seed %% sum(is_task) + 1L]
  found <- character()
  young <- NULL
  for (number in seq_along(steps)) {
    step <- steps[[number]]
    if (!is_task[number]) {
      try(suppressWarnings(eval(step, globalenv())), silent = TRUE)
      if (is.null(young) && number > 1L && isTRUE(engines$young)) {
        young <- Pool(1, context = "fork")
        on.exit(young$terminate(), add = TRUE, after = FALSE)
      }
      next
    }
    fun <- eval(call("function", as.pairlist(alist(x = )), step$code), eval(step$frame, globalenv()))
    x <- if (is.null(step$argument)) seed %% 5 + 1 else eval(step$argument, globalenv())
    wanted <- outcome_in_session(fun, x)
    got <- list()
    for (name in names(engines$pools)) got[[name]] <- outcome_of(engines$pools[[name]]$apply(fun, list(x)))
    if (!is.null(young)) got$young <- outcome_of(young$map(fun, list(x))[[1L]])
    if (number == chosen) {
      got$mclapply <- outcome_of({
        value <- suppressWarnings(mclapply(list(x, x), fun, mc.cores = 2))[[1L]]
        if (inherits(value, "try-error")) stop(attr(value, "condition")) else value
      })
      for (method in engines$processes) {
        utils::capture.output(type = "message", {
          got[[paste("process", method)]] <- outcome_of(Process(fun, list(x), context = method)$start()$value(120))
        })
      }
    }
    for (name in names(got)) {
      if (!same_outcome(got[[name]], wanted)) {
        found <- c(found, sprintf(
          "seed %d, step %d, %s: %s\n  wanted %s\n  got    %s", seed, number, name,
          paste(deparse(step$code), collapse = " "), one_line(wanted), one_line(got[[name]])
        ))
      }
    }
  }
  found
}

one_line <- function(x) substr(paste(deparse(x), collapse = " "), 1L, 300L)
