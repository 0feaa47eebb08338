# Generated calls of the mclapply() family, each run with package parallel's functions and with ours in a fresh R, and
# compared in all that a caller can see: the value, the conditions, the random state, what is printed.
#
# A call is made of its number alone, see differential_call(). What differs by design (the numbers are those of the
# differences in ?mclapply) is told by documented(), which also checks that it differs in that way and no other.

pick <- function(choices) choices[[sample.int(length(choices), 1L)]]
chance <- function(p) stats::runif(1) < p

differential_inputs <- list(
  quote(1:5), quote(1:2), quote(c(2.5, -1, 0)), quote(7L), quote(integer()), quote(NULL), quote(list()), quote(letters[1:4]),
  quote(c(a = 1, b = 2, c = 3)), quote(list(1, x = "b", NULL)), quote(list(1:3, letters, list())), quote(c(TRUE, NA)),
  quote(factor(c("u", "v", "u"))), quote(as.Date("2024-02-28") + 0:3), quote(as.POSIXct(c(0, 1e9), origin = "1970-01-01", tz = "UTC")),
  quote(data.frame(n = 1:3, s = letters[1:3])), quote(pairlist(a = 1, b = "2")), quote(expression(a, b + 1)),
  quote(matrix(1:4, 2)), quote(noquote(c("a", "b"))), quote(rle(c(1, 1, 2))), quote(y ~ x + z), quote(numeric_version(c("1.2", "1.10"))),
  quote(list2env(list(.hidden = 0, p = 1), hash = FALSE)), quote(as.raw(1:4)), quote(complex(real = 1:3, imaginary = -1)),
  quote(structure(list(1, 2, 3), note = "x")), quote(as.difftime(c(1, 2), units = "mins")), quote(1:9), quote(array(1:3, 3))
)

# What a task does before it has its value; `x` is the element
differential_effects <- list(
  quote(cat("out", format(x)[1], "\n")), quote(message("told")), quote(warning("warned")), quote(cat("part.")),
  quote(signalCondition(structure(class = c("mine", "condition"), list(message = "mine", call = NULL)))),
  quote(print(1:3)), quote(warning("twice")), quote(options(digits = 5)), quote(try(stop("held"), silent = TRUE)),
  quote(suppressWarnings(warning("quiet"))), quote(withCallingHandlers(message("inner"), message = function(m) invokeRestart("muffleMessage"))),
  quote(writeLines(c("one", "two"))), quote(message("no end", appendLF = FALSE)), quote(if (failing(x)) stop("failed")),
  quote(if (failing(x)) stop(structure(class = c("special", "error", "condition"), list(message = "own", call = NULL)))),
  quote(if (failing(x)) invokeRestart("abort")), quote(if (failing(x)) as.integer("x"))
)

differential_values <- list(
  quote(x), quote(length(x)), quote(list(x, class(x))), quote(stats::runif(2)), quote(stats::rnorm(1)), quote(NULL), quote(invisible(x)),
  quote(c(a = 1, b = 2)), quote(stderr()), quote(list(1, log = stdout())), quote(sys.call()), quote(substitute(x)),
  quote(deparse(sys.call())), quote(simpleCondition("value")), quote(function(a) a), quote(matrix(1:4, 2)), quote(data.frame(v = 1:2)),
  quote(nargs()), quote(sample.int(100, 3)), quote(parallel:::isChild()), quote(interactive()), quote(identical(parent.frame(), globalenv())),
  quote(list(...)), quote(names(list(...))), quote(structure(1, class = "own")), quote(as.name("a")), quote(quote(f(x)))
)

# list(call, warn, kind, observed): `call` is an expression of `p`, where the functions are
differential_call <- function(number) {
  set.seed(number, "Mersenne-Twister", "Inversion", "Rejection")
  which <- sample(c("mclapply", "mcmapply", "mcMap", "pvec", "mcparallel"), 1, prob = c(0.5, 0.15, 0.1, 0.1, 0.15))
  body <- c(
    as.name("{"), differential_effects[sort(sample.int(length(differential_effects), sample(0:3, 1)))], pick(differential_values)
  )
  if (which == "mcparallel") { # a line without its end may be shown a moment after its job was collected
    body <- Filter(function(e) !grepl("part.|no end", paste(deparse(e), collapse = "")), body)
  }
  FUN <- call("function", as.pairlist(alist(x = , ... = )), as.call(body))
  dots <- if (chance(0.3)) pick(list(list(10), list(k = 10), list(quote(1 + 1), y = "b"), list(NULL), list(quote(stop("lazy")))))
  mc <- c(list(mc.cores = sample.int(3, 1)), if (chance(0.5)) list(mc.set.seed = chance(0.5)), if (chance(0.2)) list(mc.silent = TRUE))
  schedule <- if (chance(0.5)) list(mc.preschedule = chance(0.3))
  X <- pick(differential_inputs)
  one <- switch(which,
    mclapply = as.call(c(quote(p$mclapply), list(X), FUN, dots, mc, schedule)),
    mcmapply = as.call(c(
      quote(p$mcmapply), FUN, list(X), if (chance(0.5)) list(y = X), mc, schedule, if (chance(0.3)) list(SIMPLIFY = FALSE),
      if (chance(0.3)) list(USE.NAMES = FALSE), if (chance(0.2)) list(MoreArgs = list(z = 3))
    )),
    mcMap = as.call(c(quote(p$mcMap), FUN, list(X), mc)),
    pvec = as.call(c(quote(p$pvec), list(X), FUN, dots, mc)),
    mcparallel = {
      jobs <- lapply(seq_len(sample.int(3, 1)), function(k) {
        as.call(c(quote(p$mcparallel), as.call(list(FUN, k)), if (chance(0.7)) list(name = letters[k]), if (chance(0.3)) list(mc.set.seed = FALSE)))
      })
      call("unnamed", as.call(c(quote(p$mccollect), as.call(c(as.name("list"), jobs)))))
    }
  )
  around <- pick(list(
    quote(.), quote(.), quote(.), quote(suppressWarnings(.)), quote(suppressMessages(.)), quote(suppressWarnings(suppressMessages(.))),
    quote(withCallingHandlers(., message = function(m) { cat("seen\n"); invokeRestart("muffleMessage") })),
    quote(withCallingHandlers(., mine = function(c) cat("mine\n"))), quote(tryCatch(., mine = function(c) "left")),
    quote(tryCatch(., message = function(m) "left")), quote(tryCatch(., error = function(e) "error")),
    quote(withCallingHandlers(., warning = function(w) invokeRestart("muffleWarning"))), quote(try(., silent = TRUE)),
    quote(withRestarts(., abort = function() "aborted"))
  ))
  random <- grepl("stats::r|sample", paste(deparse(FUN), collapse = "")) # only streams can be compared
  list(
    which = which, call = do.call(substitute, list(around, list(. = one))), around = around, body = body, mc = c(mc, schedule), X = X,
    warn = pick(list(0, 0, 1, -1, 2)), kind = if (random || chance(0.5)) "L'Ecuyer-CMRG" else "Mersenne-Twister", observed = chance(0.6)
  )
}

uses <- function(call, text) any(grepl(text, deparse(as.call(call$body)), fixed = TRUE))

# Of one call: what the functions `p` make of it. Warnings are noted where they reach the caller.
differential_outcome <- function(call, p) {
  failing <- function(x) isTRUE(suppressWarnings(as.integer(x)[1] %% 3L == 2L))
  unnamed <- function(jobs) {
    pids <- grepl("^[0-9]+$", names(jobs))
    names(jobs)[pids] <- "pid"
    jobs
  }
  set.seed(7, call$kind)
  p$mc.reset.stream()
  old <- options(warn = call$warn, digits = 7) # a task that is not forked may change these
  on.exit(options(old))
  noted <- NULL
  note <- function(c) noted <<- c(noted, paste(class(c), collapse = "/"), conditionMessage(c), deparse(conditionCall(c))[1])
  run <- function() {
    eval(call$call, list(p = p, failing = failing, unnamed = unnamed), globalenv())
  }
  value <- withRestarts(tryCatch(
    if (call$observed) {
      withCallingHandlers(run(), warning = function(w) {
        note(w)
        invokeRestart("muffleWarning")
      })
    } else {
      run()
    },
    error = function(e) {
      note(e)
      NULL
    }
  ), abort = function() "to top level") # where nothing is forked
  list(value = value, noted = noted, random = get0(".Random.seed", globalenv()))
}

# In a fresh R: writes each call's outcomes into `folder`, and marks on both streams where its output begins
differential_program <- function(numbers, folder) {
  mark <- function(text) {
    cat("\n@@", text, "\n", sep = "")
    cat("\n@@", text, "\n", sep = "", file = stderr())
  }
  theirs <- asNamespace("parallel")
  ours <- mget(
    c("mclapply", "mcmapply", "mcMap", "pvec", "mcparallel", "mccollect", "mc.reset.stream"), envir = asNamespace("multiprocessing")
  )
  for (number in numbers) {
    call <- differential_call(number)
    mark(paste0(number, " theirs"))
    expected <- differential_outcome(call, theirs)
    mark(paste0(number, " ours"))
    actual <- differential_outcome(call, ours)
    mark("end")
    saveRDS(list(expected = expected, actual = actual), file.path(folder, paste0(number, ".rds")))
  }
}

# list(out, err) for "number theirs" and "number ours"
split_output <- function(text) {
  text <- paste0(paste(text, collapse = "\n"), "\n")
  pieces <- strsplit(text, "\n@@", fixed = TRUE)[[1]][-1]
  stats::setNames(sub("^[^\n]*\n", "", pieces), sub("\n.*", "", pieces))
}

run_differential <- function(numbers) {
  folder <- tempfile("differential")
  dir.create(folder)
  helpers <- normalizePath(testthat::test_path("helper-mc-differential.R"))
  program <- file.path(folder, "program.R")
  writeLines(c(
    sprintf("source(%s)", deparse(helpers)), "options(keep.source = FALSE)",
    sprintf("differential_program(%s, %s)", paste(deparse(numbers), collapse = ""), deparse(folder))
  ), program)
  out <- file.path(folder, c("out", "err"))
  status <- system2(
    file.path(R.home("bin"), "Rscript"), c("--vanilla", program), stdout = out[1], stderr = out[2],
    env = c(paste0("R_LIBS=", paste(.libPaths(), collapse = .Platform$path.sep)), "R_TESTS="), timeout = 600
  )
  printed <- lapply(out, function(file) split_output(readLines(file, warn = FALSE)))
  lapply(numbers, function(number) {
    file <- file.path(folder, paste0(number, ".rds"))
    if (!file.exists(file)) {
      return(sprintf("call %d did not end (status %d)", number, status))
    }
    both <- readRDS(file)
    for (side in c(expected = "theirs", actual = "ours")) {
      name <- c(theirs = "expected", ours = "actual")[[side]]
      both[[name]][c("out", "err")] <- lapply(printed, function(texts) unname(texts[paste(number, side)]))
    }
    differences(differential_call(number), both$expected, both$actual)
  })
}

# --- the comparison ---

same_value <- function(a, b) identical(a, b, ignore.environment = TRUE, ignore.bytecode = TRUE)

is_try_error <- function(x) inherits(x, "try-error")

# With prescheduling parallel puts the first error of a core in the place of all of its elements (1)
same_but_spread <- function(expected, actual, cores) {
  if (!is.list(expected) || !is.list(actual) || length(expected) != length(actual)) {
    return(FALSE)
  }
  if (!identical(names(expected), names(actual))) {
    return(FALSE)
  }
  core <- (seq_along(actual) - 1L) %% cores
  all(vapply(unique(core), function(k) {
    ours <- unname(actual)[core == k]
    failed <- vapply(ours, is_try_error, TRUE)
    if (any(failed)) ours[] <- ours[which(failed)[1L]]
    same_value(unname(expected)[core == k], ours)
  }, TRUE))
}

# The variable of parallel's own loop stands in calls (4)
without_loop_variable <- function(x) gsub("X[[nexti]]", "X[[i]]", paste(deparse(x), collapse = "\n"), fixed = TRUE)

# parallel names cores as it hears of them
without_affected <- function(noted) {
  noted <- gsub(", (all values of the jobs?|elements?) [^\"]*affected", "", noted)
  gsub("scheduled cores 2, 1 ", "scheduled cores 1, 2 ", noted)
}

characters_of <- function(text, whole) sort(strsplit(if (whole) text else gsub("\n", "", text), "")[[1]])

# "": the same; "(n)": difference n of ?mclapply, which was checked; else what differs
differences <- function(call, expected, actual) {
  mc <- call$mc
  preschedule <- call$which %in% c("mclapply", "mcmapply", "mcMap") && !identical(mc$mc.preschedule, FALSE)
  n <- if (call$which == "mcparallel") NA else length(as.list(eval(call$X)))
  cores <- if (is.na(n)) NA else max(1L, min(mc$mc.cores, n))
  forked <- is.na(n) || (n > 1L && cores > 1L)
  failures <- is.list(actual$value) && any(vapply(unclass(actual$value), is_try_error, TRUE))
  language <- uses(call, "sys.call()") || uses(call, "substitute(x)") || uses(call, "as.name") || uses(call, "quote(f(x))") ||
    is.language(eval(call$X))
  found <- character()

  if (!same_value(expected$value, actual$value)) {
    told <- function(value) without_affected(gsub("[ \\\\]+", " ", paste(deparse(value, width.cutoff = 500L), collapse = "")))
    found <- c(found, if (identical(told(expected$value), told(actual$value))) {
      "(1)" # in the text of a warning that became an error
    } else if (is_try_error(actual$value) && inherits(attr(actual$value, "condition"), "ValueError") &&
      identical(c(expected$value), c(actual$value))) {
      "(8)"
    } else if (preschedule && forked && same_but_spread(expected$value, actual$value, cores)) {
      "(1)"
    } else if (!preschedule && identical(without_loop_variable(expected$value), without_loop_variable(actual$value))) {
      "(4)"
    } else if (!preschedule && language && forked) {
      "(10)"
    } else if (call$which == "pvec" && n == 0L) {
      "(pvec)"
    } else {
      "value"
    })
  }
  theirs <- without_affected(expected$noted)
  ours <- without_affected(actual$noted)
  if (call$which %in% c("mcmapply", "mcMap")) { # the warning names the user's call, not one within parallel
    theirs <- theirs[!grepl("^(p\\$)?mc[a-zA-Z]+\\(", theirs)]
    ours <- ours[!grepl("^(p\\$)?mc[a-zA-Z]+\\(", ours)]
  }
  if (!identical(theirs, ours)) {
    found <- c(found, if (any(grepl("^ValueError", ours)) && any(ours %in% theirs)) {
      "(8)"
    } else if (call$which == "pvec" && n == 0L) {
      "(pvec)"
    } else if ("(10)" %in% found) {
      "(10)"
    } else {
      "conditions"
    })
  }
  if (!"(pvec)" %in% found && !identical(expected$random, actual$random)) found <- c(found, "random state")

  # a core of parallel's ends with its first error, and so prints less (1)
  quiet <- (failures && preschedule && forked && n > cores) || (call$which == "pvec" && n == 0L)
  if (!quiet && !"(10)" %in% found) {
    # Not line by line: parallel's children write a line in pieces, and break each other's lines when they print at the
    # same moment. That ours are whole is tested in test-output.R.
    whole <- !uses(call, "part.")
    if (!identical(characters_of(expected$out, whole), characters_of(actual$out, whole))) found <- c(found, "output")
    words <- c("told", "no end", if (call$warn != 0) c("warned", "twice")) # (6)
    counts <- function(text) vapply(words, function(word) sum(gregexpr(word, text, fixed = TRUE)[[1]] > 0L), 1L)
    if (!identical(counts(expected$err), counts(actual$err))) found <- c(found, "messages")
  }
  paste(unique(found), collapse = ", ")
}
