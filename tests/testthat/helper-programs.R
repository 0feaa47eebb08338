# Random programs for the differential test: steps that change what a session has, each followed by a task that looks at
# it. A program is a list of expressions that are evaluated in the global environment, and of tasks: functions of one
# argument. Everything has a name that begins with `dp_`, and is taken back at the end.

program_of <- function(seed) {
  set.seed(seed, kind = "Mersenne-Twister", normal.kind = "Inversion", sample.kind = "Rejection")
  pick <- function(...) {
    choices <- list(...)
    choices[[sample.int(length(choices), 1L)]]
  }
  steps <- replicate(sample(2:4, 1L), random_step(pick), simplify = FALSE)
  unlist(steps, recursive = FALSE)
}

# Each gives list(step, step, ...): a call is evaluated in the session, a function is a task.
random_step <- function(pick) {
  k <- sample(100L, 1L)
  m <- sample(100L, 1L)
  fun <- sprintf("dp_f%d", sample(3L, 1L))
  var <- sprintf("dp_v%d", sample(3L, 1L))
  class <- sprintf("dp_class%d", sample(2L, 1L))
  task <- function(code, env = globalenv()) eval(call("function", as.pairlist(alist(x = )), code), env)
  kinds <- list(
    variable = function() {
      list(
        bquote(assign(.(var), .(pick(k, as.numeric(k), "text", c(a = k), list(k, "b"), NULL, TRUE, letters[1:3])), globalenv())),
        pick(task(bquote(list(x, .(as.name(var))))), task(bquote(list(x, get(.(var))))), task(bquote(eval(parse(text = .(var)))))),
        bquote(assign(.(var), .(m), globalenv())),
        pick(task(bquote(x + .(as.name(var)))), task(bquote(x + get(paste0("dp_", .(sub("^dp_", "", var)))))))
      )
    },
    removal = function() {
      list(
        bquote(assign(.(var), .(k), globalenv())), task(bquote(.(as.name(var)))),
        bquote(rm(list = .(var), envir = globalenv())), task(bquote(.(as.name(var)))), task(bquote(exists(.(var))))
      )
    },
    fun = function() {
      body <- pick(quote(x + k), quote(x * k), quote(rev(c(x, k))))
      body <- do.call(substitute, list(body, list(k = k)))
      list(
        bquote(assign(.(fun), .(call("function", as.pairlist(alist(x = )), body)), globalenv())),
        pick(
          task(bquote(.(as.name(fun))(x))), task(bquote(do.call(.(fun), list(x)))),
          task(bquote(sapply(x, .(as.name(fun))))), task(bquote(match.fun(.(fun))(x))),
          task(bquote((function(f) f(x))(.(as.name(fun)))))
        )
      )
    },
    helper = function() {
      list(
        bquote(assign("dp_helper", function(x) x + .(k), globalenv())),
        bquote(assign(.(fun), function(x) dp_helper(x) * 2, globalenv())),
        task(bquote(.(as.name(fun))(x))),
        bquote(assign("dp_helper", function(x) x - .(m), globalenv())),
        task(bquote(.(as.name(fun))(x)))
      )
    },
    s3 = function() {
      list(
        bquote(assign(.(paste0("format.", class)), function(x, ...) paste("s3", .(k), unclass(x)), globalenv())),
        task(bquote(format(structure(x, class = .(class))))),
        quote(assign("dp_area", function(s) UseMethod("dp_area"), globalenv())),
        quote(assign("dp_area.default", function(s) "default", globalenv())),
        bquote(assign(.(paste0("dp_area.", class)), function(s) c(.(m), NextMethod()), globalenv())),
        task(bquote(dp_area(structure(x, class = .(class))))),
        pick(
          bquote(rm(list = .(paste0("dp_area.", class)), envir = globalenv())),
          bquote(assign(.(paste0("Ops.", class)), function(e1, e2) .Generic, globalenv()))
        ),
        task(bquote(list(dp_area(structure(x, class = .(class))), structure(x, class = .(class)) + 1)))
      )
    },
    registered = function() {
      list(
        bquote(registerS3method("toString", .(class), function(x, ...) paste("registered", .(k)), envir = baseenv())),
        task(bquote(toString(structure(x, class = .(class)))))
      )
    },
    s4 = function() {
      list(
        quote(suppressMessages(methods::setClass("DpBox", representation(v = "numeric"), where = globalenv()))),
        quote(suppressMessages(methods::setGeneric("dp_open", function(o) standardGeneric("dp_open"), where = globalenv()))),
        bquote(methods::setMethod("dp_open", "DpBox", eval(quote(function(o) o@v + .(k)), globalenv()), where = globalenv())),
        task(quote(dp_open(methods::new("DpBox", v = x)))),
        pick(
          bquote(methods::setMethod("+", methods::signature("DpBox", "DpBox"), eval(quote(function(e1, e2) e1@v * .(m)), globalenv()), where = globalenv())),
          bquote(methods::setMethod("length", "DpBox", eval(quote(function(x) .(m)), globalenv()), where = globalenv())),
          bquote(methods::setMethod("dp_open", "DpBox", eval(quote(function(o) o@v * .(m)), globalenv()), where = globalenv()))
        ),
        task(quote({
          b <- methods::new("DpBox", v = x)
          list(dp_open(b), length(b), tryCatch(b + b, error = function(e) "no sum"))
        }))
      )
    },
    reference = function() {
      list(
        bquote(assign("DpAcc", suppressMessages(methods::setRefClass("DpAcc",
          fields = list(b = "numeric"), methods = list(add = eval(quote(function(k) { b <<- b + k * .(k); invisible(.self) }), globalenv())),
          where = globalenv()
        )), globalenv())),
        task(quote(DpAcc$new(b = 1)$add(x)$b)),
        bquote(assign("dp_acc", DpAcc$new(b = .(m)), globalenv())),
        task(quote(dp_acc$b + x)), quote(dp_acc$add(1)), task(quote(dp_acc$b + x))
      )
    },
    r6 = function() {
      list(
        bquote(assign("DpCounter", R6::R6Class("DpCounter", parent_env = globalenv(), public = list(n = 0,
          initialize = function(n) self$n <- n, show = function() self$n * dp_scale)), globalenv())),
        bquote(assign("dp_scale", .(k), globalenv())),
        task(quote(DpCounter$new(x)$show())),
        bquote(assign("dp_one", DpCounter$new(.(m)), globalenv())), task(quote(dp_one$show() + x)),
        bquote(dp_one$n <- .(k)), task(quote(dp_one$show() + x)),
        bquote(assign("dp_scale", .(m), globalenv())), task(quote(get("dp_one")$show() + x))
      )
    },
    closure = function() {
      list(
        bquote(assign("dp_made", local({
          inside <- .(k)
          list(get = function() inside, set = function(v) inside <<- v)
        }), globalenv())),
        task(quote(dp_made$get() + x)), bquote(dp_made$set(.(m))), task(quote(dp_made$get() + x)),
        task(quote(c(dp_made$set(x), dp_made$get())))
      )
    },
    attached = function() {
      name <- pick("dp_list1", "dp_list2")
      list(
        bquote(attach(list(dp_hidden = .(k), dp_both = .(name)), name = .(name), warn.conflicts = FALSE)),
        task(quote(list(dp_hidden, dp_both))),
        bquote(assign("dp_hidden", .(m), pos = .(name))), task(quote(dp_hidden + x)),
        pick(bquote(detach(.(name), character.only = TRUE)), quote(NULL)), task(quote(dp_hidden + x))
      )
    },
    package = function() {
      package <- pick("splines", "stats4", "tcltk", "tools", "grid")
      if (package == "tcltk") package <- "tools"
      there <- paste0("package:", package)
      list(
        bquote(suppressWarnings(library(.(package), character.only = TRUE, warn.conflicts = FALSE))),
        task(bquote(.(there) %in% search())), task(quote(setdiff(search(), c(".GlobalEnv", "package:multiprocessing")))),
        pick(bquote(detach(.(there), character.only = TRUE)), quote(NULL)), task(bquote(.(there) %in% search()))
      )
    },
    option = function() {
      list(
        pick(bquote(options(digits = .(3L + k %% 10L))), bquote(options(dp.opt = .(k))), quote(options(scipen = 20)), quote(options(OutDec = ","))),
        task(quote(list(format(pi * x), getOption("dp.opt"), format(1e10)))),
        pick(quote(options(dp.opt = NULL)), quote(options(scipen = 0)), quote(options(contrasts = c("contr.sum", "contr.poly")))),
        task(quote(list(getOption("dp.opt"), format(1e10), stats::contrasts(factor(c("a", "b"))))))
      )
    },
    environment = function() {
      list(
        bquote(Sys.setenv(DP_VAR = .(as.character(k)), TZ = .(pick("UTC", "Asia/Tokyo", "America/New_York")))),
        task(quote(list(Sys.getenv("DP_VAR", NA), format(as.POSIXct(0, origin = "1970-01-01"), "%H")))),
        pick(quote(Sys.unsetenv("DP_VAR")), quote(NULL)), task(quote(Sys.getenv("DP_VAR", NA)))
      )
    },
    formula = function() {
      list(
        bquote(assign("dp_data", data.frame(y = c(1, 3, 2, 5) * .(k), z = 1:4), globalenv())),
        quote(assign("dp_formula", eval(quote(y ~ I(dp_power(z))), globalenv()), globalenv())),
        bquote(assign("dp_power", function(v) v^.(1 + k %% 3), globalenv())),
        task(quote(unname(stats::coef(stats::lm(dp_formula, dp_data))))), task(quote(nrow(stats::model.frame(dp_formula, dp_data)))),
        bquote(assign("dp_power", function(v) v + .(m), globalenv())), task(quote(unname(stats::model.matrix(dp_formula, dp_data))[, 2]))
      )
    },
    quoted = function() {
      list(
        bquote(assign("dp_value", .(k), globalenv())), bquote(assign("dp_call", quote(dp_value * x), globalenv())),
        task(quote(eval(dp_call))), task(quote(eval(dp_call, list(x = 100)))),
        bquote(assign("dp_value", .(m), globalenv())), task(quote(with(list(x = 2), eval(dp_call))))
      )
    },
    replacement = function() {
      list(
        bquote(assign("dp_second<-", function(x, value) replace(x, 2L, value + .(k)), globalenv())),
        task(quote({
          v <- c(x, 0)
          dp_second(v) <- 1
          v
        })),
        quote(assign("%dp%", function(a, b) paste(a, b), globalenv())), task(quote(x %dp% 2))
      )
    },
    in_list = function() {
      list(
        bquote(assign("dp_inner", function(x) x + .(k), globalenv())),
        quote(assign("dp_handlers", list(a = function(x) dp_inner(x), b = list(c = function(...) sum(..., dp_inner(1)))), globalenv())),
        task(quote(dp_handlers$a(x))), task(quote(dp_handlers$b$c(x, 2))),
        bquote(assign("dp_inner", function(x) x * .(m), globalenv())), task(quote(dp_handlers[["a"]](x)))
      )
    },
    default = function() {
      list(
        bquote(assign("dp_default", .(k), globalenv())),
        task(quote({
          g <- function(a = (function(b = dp_default) b)()) a
          g() + x
        })),
        bquote(delayedAssign("dp_lazy", dp_default + 1, globalenv(), globalenv())), task(quote(dp_lazy + x)),
        bquote(makeActiveBinding("dp_active", function() .(m), globalenv())), task(quote(dp_active + x))
      )
    },
    large = function() {
      list(
        bquote(assign("dp_large", as.numeric(seq_len(20000)) + .(k), globalenv())),
        task(quote(sum(dp_large) + x)), bquote(dp_large[3] <- .(m)), task(quote(dp_large[3] + x)), task(quote(length(dp_large))),
        task(quote({
          dp_large <- 1
          dp_large + x
        }))
      )
    },
    error = function() {
      list(
        bquote(assign(.(fun), function(x) stop("from ", .(k)), globalenv())), task(bquote(.(as.name(fun))(x))),
        task(bquote(tryCatch(.(as.name(fun))(x), error = conditionMessage)))
      )
    },
    tidy = function() {
      list(
        bquote(assign("dp_k", .(k), globalenv())),
        quote(assign("dp_quo", eval(quote(rlang::quo(dp_k * n)), globalenv()), globalenv())),
        task(quote(rlang::eval_tidy(dp_quo, list(n = x)))),
        task(quote(as.character(glue::glue("{dp_k} and {x}"))))
      )
    }
  )
  if (!requireNamespace("rlang", quietly = TRUE) || !requireNamespace("glue", quietly = TRUE)) kinds$tidy <- NULL
  kinds[[sample.int(length(kinds), 1L)]]()
}

# A result that can be compared: the value, or that there was an error.
outcome_of <- function(expr) {
  tryCatch(list(value = expr), error = function(e) list(error = TRUE))
}

# What a program did is taken back.
forget_program <- function(before) {
  for (name in grep("^dp_list", search(), value = TRUE)) detach(name, character.only = TRUE)
  for (there in setdiff(search(), before$search)) detach(there, character.only = TRUE)
  for (class in c("DpBox", "DpAcc")) {
    if (methods::isClass(class)) suppressWarnings(methods::removeClass(class, where = globalenv()))
  }
  for (f in c("+", "length")) {
    if (exists(paste0(".__T__", f, ":base"), globalenv(), inherits = FALSE)) suppressWarnings(methods::removeMethods(f, where = globalenv()))
  }
  if (methods::isGeneric("dp_open")) suppressWarnings(suppressMessages(methods::removeGeneric("dp_open", where = globalenv())))
  rm(list = setdiff(ls(globalenv(), all.names = TRUE), before$names), envir = globalenv())
  options(before$options)
  options(dp.opt = NULL)
  Sys.unsetenv(c("DP_VAR", "TZ"))
  if (!is.na(before$zone)) Sys.setenv(TZ = before$zone)
}

session_now <- function() {
  list(
    names = ls(globalenv(), all.names = TRUE), search = search(), zone = Sys.getenv("TZ", NA),
    options = options("digits", "scipen", "OutDec", "contrasts")
  )
}

# Compares the tasks of one program on all engines; returns lines that say what differed. `mclapply()` forks at the moment
# of the call, so it is what the session gives, as far as the task changes nothing.
program_differences <- function(seed, engines) {
  before <- session_now()
  on.exit(forget_program(before))
  steps <- program_of(seed)
  found <- character()
  young <- NULL
  for (number in seq_along(steps)) {
    step <- steps[[number]]
    if (!is.function(step)) {
      eval(step, globalenv())
      if (is.null(young) && number > 1L && isTRUE(engines$young)) {
        young <- Pool(1, context = "fork")
        on.exit(young$terminate(), add = TRUE, after = FALSE)
      }
      next
    }
    x <- seed %% 5 + 1
    wanted <- outcome_of(mclapply(list(x, x), step, mc.cores = 2)[[1L]])
    if (inherits(wanted$value, "try-error")) wanted <- list(error = TRUE)
    got <- list()
    for (name in names(engines$pools)) got[[name]] <- outcome_of(engines$pools[[name]]$apply(step, list(x)))
    if (!is.null(young)) got$young <- outcome_of(young$map(step, x)[[1L]])
    for (method in engines$processes) {
      if (runif(1) > 0.02 && method == "spawn") next
      capture.output(type = "message", {
        got[[paste("process", method)]] <- outcome_of(Process(step, list(x), context = method)$start()$value(120))
      })
    }
    for (name in names(got)) {
      if (!identical(got[[name]], wanted)) {
        found <- c(found, sprintf(
          "seed %d, step %d, %s: %s\n  wanted %s\n  got    %s", seed, number, name,
          paste(deparse(body(step)), collapse = " "), one_line(wanted), one_line(got[[name]])
        ))
      }
    }
  }
  found
}

one_line <- function(x) substr(paste(deparse(x), collapse = " "), 1L, 200L)
