# What the programs of the differential test consist of, see helper-programs.R. Each entry gives list(step, step, ...): a call is
# evaluated in the global environment of the session, a function is a task. Drawn for each: numbers `k` and `m`, names `fun`, `var`
# and `class`; pick() takes one of its arguments, task() makes a task of code in which `x` is the argument.

program_steps <- c(object_steps, list(
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
  },
  as_element = function() { # objects of the session are the element, not a variable
    list(
      bquote(assign("dp_k", .(k), globalenv())), quote(assign("dp_helper", function(x) x + dp_k, globalenv())),
      pick(
        task_of(quote(function(x) dp_helper(x) * 2), quote(x(3))),
        task_of(quote(list(f = function(x) dp_helper(x), g = ~dp_k)), quote(list(x$f(1), eval(x$g[[2]], environment(x$g))))),
        task_of(quote(local({
          inside <- 5
          function() inside + dp_k
        })), quote(x())),
        task_of(quote(quote(dp_helper(dp_k))), quote(eval(x)))
      ),
      bquote(assign("dp_k", .(m), globalenv())),
      task_of(quote(Map(function(a) function(b) dp_helper(a + b), 1:2)), quote(c(x[[1]](1), x[[2]](2)))),
      task_of(quote(structure(list(v = 1, f = dp_helper), class = "dp_thing")), quote(x$f(x$v)))
    )
  },
  state = function() {
    list(
      bquote(assign("dp_pair", local({
        n <- .(k)
        list(up = function(by = 1) n <<- n + by, now = function() n)
      }), globalenv())),
      quote(assign("dp_now", dp_pair$now, globalenv())), task(quote(c(dp_pair$now(), dp_now(), x))),
      pick(quote(dp_pair$up()), bquote(dp_pair$up(.(m)))), task(quote(c(dp_pair$now(), dp_now()))),
      task(quote({
        dp_pair$up(x)
        c(dp_pair$now(), dp_now())
      })),
      quote(assign("dp_memo", local({
        known <- list()
        function(v) {
          key <- paste(v)
          if (is.null(known[[key]])) known[[key]] <<- paste("computed", length(known))
          known[[key]]
        }
      }), globalenv())),
      quote(dp_memo(7)), task(quote(c(dp_memo(7), dp_memo(x + 100)))), quote(dp_memo(8)), task(quote(c(dp_memo(8), dp_memo(7))))
    )
  },
  environments = function() {
    list(
      bquote(assign("dp_env", list2env(list(a = .(k), inner = new.env()), parent = globalenv()), globalenv())),
      quote(assign("b", 1, dp_env$inner)), task(quote(c(dp_env$a, dp_env$inner$b, x))),
      bquote(assign("b", .(m), dp_env$inner)), task(quote(list(dp_env$inner$b, sort(ls(dp_env)), exists("c", dp_env)))),
      quote(assign("c", function() a, dp_env)), quote(environment(dp_env$c) <- dp_env), quote(dp_env$self <- dp_env),
      task(quote(list(dp_env$c(), dp_env$self$self$a, sort(ls(dp_env))))), quote(rm("a", envir = dp_env)),
      task(quote(exists("a", dp_env, inherits = FALSE))),
      pick(
        bquote(makeActiveBinding("live", eval(quote(function() dp_env$inner$b + 1), globalenv()), dp_env)),
        bquote(delayedAssign("live", .(k) + 1, globalenv(), dp_env))
      ),
      task(quote(dp_env$live)),
      quote(assign("dp_moved", function(x) a + x, globalenv())),
      bquote(environment(dp_moved) <- list2env(list(a = .(m)), parent = globalenv())), task(quote(dp_moved(x))),
      bquote(assign("a", .(k), environment(dp_moved))), task(quote(dp_moved(x)))
    )
  },
  document = function() { # code is evaluated in an environment of its own, as in a report
    list(
      quote(assign("dp_report", new.env(parent = globalenv()), globalenv())),
      bquote(eval(quote({
        dp_local <- .(k)
        dp_use <- function(x) dp_local + x
      }), dp_report)),
      task_in(quote(dp_report), quote(dp_use(x))), task(quote(dp_report$dp_use(x))),
      bquote(assign("dp_local", .(m), dp_report)), task_in(quote(dp_report), quote(c(dp_use(x), get("dp_local")))),
      quote(assign("dp_use", function(x) "global", globalenv())), task_in(quote(dp_report), quote(dp_use(x))), task(quote(dp_use(x))),
      quote(rm("dp_use", envir = dp_report)), task_in(quote(dp_report), quote(dp_use(x)))
    )
  },
  locked = function() {
    list(
      bquote(assign("dp_fixed", .(k), globalenv())), quote(lockBinding("dp_fixed", globalenv())),
      task(quote(dp_fixed + x)),
      quote(assign("dp_box", list2env(list(a = 1, b = 2)), globalenv())), quote(lockBinding("a", dp_box)),
      task(quote({
        dp_box$b <- x
        c(dp_box$a, dp_box$b)
      })),
      task(quote(dp_box$a <- x)), quote(lockEnvironment(dp_box)), task(quote(assign("new", x, dp_box))),
      quote(unlockBinding("dp_fixed", globalenv())), bquote(assign("dp_fixed", .(m), globalenv())), task(quote(dp_fixed + x))
    )
  },
  masks = function() {
    list(
      pick(
        bquote(assign("sum", function(...) .(k), globalenv())), bquote(assign("paste", function(...) .(k), globalenv())),
        bquote(assign("c", .(k), globalenv())), quote(assign("T", 0, globalenv())), quote(assign("pi", 3, globalenv())),
        bquote(assign("list", function(...) c(...), globalenv())), quote(assign("lapply", function(...) stop("mine"), globalenv())),
        bquote(assign("+", function(e1, e2) .(k), globalenv())), bquote(assign("if", function(...) .(k), globalenv())),
        quote(assign("value", 1, globalenv())), quote(assign("(", function(x) -x, globalenv()))
      ),
      task(quote(base::list(sum(x, 1), paste(x), c(x, 2), T, pi, if (x > 0) 1 else 2, (x), stats::sd(base::c(1, x))))),
      quote(rm(list = intersect(c("sum", "paste", "c", "T", "pi", "list", "lapply", "+", "if", "value", "("), ls(globalenv())), envir = globalenv())),
      task(quote(list(sum(x, 1), paste(x), c(x, 2), T, pi, lapply(1:2, function(i) i + x))))
    )
  },
  attached_code = function() {
    list(
      bquote(attach(list(dp_tool = function(x) dp_part(x) + .(k), dp_part = function(x) "attached"), name = "dp_list1", warn.conflicts = FALSE)),
      task(quote(tryCatch(dp_tool(x), error = function(e) "error"))),
      quote(assign("dp_part", function(x) x, globalenv())), task(quote(dp_tool(x))),
      bquote(assign("dp_tool", eval(quote(function(x) c(dp_part(x), .(m))), globalenv()), pos = "dp_list1")), task(quote(dp_tool(x))),
      quote(rm("dp_part", envir = globalenv())), task(quote(dp_tool(x))),
      bquote(attach(data.frame(dp_col = 1:3 * .(k)), name = "dp_list2", pos = 3L, warn.conflicts = FALSE)), task(quote(sum(dp_col))),
      quote(attach(local({
        n <- 0
        list(dp_count = function() n <<- n + 1, dp_seen = function() n)
      }), name = "dp_list3", warn.conflicts = FALSE)),
      quote(dp_count()), task(quote(dp_seen())), quote(dp_count()), task(quote(dp_seen())),
      quote(detach("dp_list1", character.only = TRUE)), task(quote(dp_tool(x))), task(quote(grep("dp_", search(), value = TRUE)))
    )
  },
  by_name = function() {
    list(
      bquote(assign(.(fun), function(x, y = 1) x + y + .(k), globalenv())),
      pick(
        task(bquote(sapply(1:3, .(fun)))), task(bquote(outer(1:2, 1:2, .(fun)))), task(bquote(mapply(.(fun), 1:2, 3:4))),
        task(bquote(Reduce(.(fun), 1:3, accumulate = TRUE))), task(bquote(tapply(c(x, 1), c(1, 1), .(fun)))),
        task(bquote(do.call(what = paste0("dp_", .(sub("^dp_", "", fun))), list(x)))), task(bquote(vapply(1:2, match.fun(.(fun)), 1)))
      ),
      bquote(assign("dp_even", function(x) x %% 2 == 0, globalenv())),
      pick(
        task(quote(Filter(Negate(dp_even), 1:5))), task(quote(Position("dp_even", 1:5))),
        task(bquote(Vectorize(.(as.name(fun)))(1:2, 3:4))),
        task(bquote(Reduce(function(f, g) function(v) g(f(v)), list(.(as.name(fun)), dp_even))(x)))
      ),
      quote(assign("dp_fac", function(n) if (n <= 1) 1 else n * Recall(n - 1), globalenv())), task(quote(dp_fac(5))),
      quote(assign("dp_walk", function(n) if (n > 0) c(n, dp_walk(n - 1)), globalenv())), task(quote(dp_walk(3))),
      task(quote((function(n) if (n <= 1) 1 else n * sys.function()(n - 1))(4)))
    )
  },
  combined = function() {
    list(
      bquote(assign("dp_add", function(x, by = dp_step()) x + by, globalenv())),
      bquote(assign("dp_step", function() .(k), globalenv())),
      quote(assign("dp_not", Negate(function(v) v > dp_add(0)), globalenv())),
      quote(assign("dp_each", Vectorize(function(a, b) dp_add(a) + b), globalenv())),
      quote(assign("dp_chain", (function(...) {
        fs <- list(...)
        function(v) Reduce(function(a, f) f(a), fs, v)
      })(dp_add, sqrt, function(v) round(v, 3)), globalenv())),
      task(quote(list(dp_not(x), dp_each(1:2, x), dp_chain(x)))),
      bquote(assign("dp_step", function() .(m), globalenv())), task(quote(list(dp_not(x), dp_each(1:2, x), dp_chain(x)))),
      quote(assign("%+%", function(a, b) dp_add(a, b), globalenv())),
      quote(assign("dp_part<-", function(o, which = "a", value) {
        o[[which]] <- value
        o
      }, globalenv())),
      task(parse(text = "x |> dp_add() |> dp_add(by = 2) |> (\\(v) v %+% 1)()")[[1L]]),
      task(parse(text = "x |> dp_add(x = 1, by = _)")[[1L]]),
      task(quote({
        o <- list(a = list(b = 1))
        dp_part(o$a, "b") <- x
        dp_part(o) <- c(dp_part = o$a$b)
        o
      }))
    )
  },
  values = function() {
    list(
      bquote(assign(.(var), .(pick(
        quote(factor(c("a", "b"), levels = c("b", "a"))), quote(as.Date("2020-01-01") + 0:2), quote(as.POSIXct(0, origin = "1970-01-01", tz = "UTC")),
        quote(matrix(1:4, 2, dimnames = list(c("r", "s"), NULL))), quote(data.frame(a = 1:2, b = I(list(1, "x")))), quote(as.raw(1:3)),
        quote(complex(real = 1, imaginary = 2)), quote(list(NULL, NA, NULL)), quote(expression(a + 1, b)), quote(pairlist(a = 1, b = 2)),
        quote(quote(expr = )), quote(as.name("a name")), quote(1:10), quote(sort(c(3, 1, 2))), quote(c(NaN, NA, -Inf, -0)), quote(sum),
        quote(`if`), quote(compiler::cmpfun(function(x) x + 1)), quote("\u00e9t\u00e9"), quote(iconv("\u00e9", "UTF-8", "latin1")), quote(strrep("long", 3000)),
        quote(structure(list(1), class = "dp_any", note = "kept")), quote(structure(1:3, tsp = c(1, 3, 1), class = "ts")), quote(character(0)),
        quote(array(1:8, c(2, 2, 2))), quote(numeric_version("1.2.3")), quote(as.table(matrix(1:4, 2))), quote(y ~ x), quote(bitwAnd)
      )), globalenv())),
      task(bquote({
        value <- get(.(var), globalenv())
        list(typeof(value), class(value), if (!is.function(value) && typeof(value) != "language") unclass(value), deparse(value))
      })),
      bquote(.(as.name(var))[[2L]] <- .(as.name(var))[[1L]]), # may be an error
      task(bquote(deparse(.(as.name(var))))),
      bquote(assign(.(var), function() .(k), globalenv())), task(bquote(.(as.name(var))())),
      bquote(makeActiveBinding(.(var), eval(quote(function() .(m)), globalenv()), globalenv())), task(bquote(.(as.name(var)) + x)),
      bquote(rm(list = .(var), envir = globalenv())), task(bquote(.(as.name(var)))),
      bquote(delayedAssign(.(var), .(k) * 2, globalenv(), globalenv())), task(bquote(.(as.name(var)) + x))
    )
  },
  parts = function() {
    list(
      bquote(assign("dp_rows", data.frame(a = 1:3, b = c("x", "y", "z")), globalenv())), task(quote(dp_rows$a)),
      bquote(dp_rows$a[2] <- .(k)), task(quote(list(dp_rows$a, nrow(dp_rows)))), bquote(dp_rows[nrow(dp_rows) + 1, ] <- list(.(m), "w")),
      task(quote(list(dp_rows$a, dp_rows$b))), quote(names(dp_rows)[1] <- "first"), task(quote(names(dp_rows))),
      bquote(assign("dp_tree", list(a = list(b = list(c = .(k)))), globalenv())), task(quote(dp_tree$a$b$c)),
      bquote(dp_tree$a$b$c <- .(m)), task(quote(dp_tree$a$b$c)), quote(dp_tree$a$b$d <- function(v) v + dp_tree$a$b$c), task(quote(dp_tree$a$b$d(x))),
      quote(attr(dp_tree, "note") <- "noted"), task(quote(attr(dp_tree, "note"))), quote(class(dp_tree) <- "dp_tree"), task(quote(class(dp_tree))),
      quote(body(dp_tree$a$b$d)[[1L]] <- as.name("-")), task(quote(unclass(dp_tree)$a$b$d(x))),
      quote(formals(dp_tree$a$b$d) <- alist(v = , w = 2)), task(quote(names(formals(unclass(dp_tree)$a$b$d))))
    )
  },
  odd_names = function() {
    list(
      bquote(assign(".dp_hidden", .(k), globalenv())), bquote(assign("dp with space", .(m), globalenv())), bquote(assign("dp_\u00e9", .(k) + 1, globalenv())),
      task(quote(list(.dp_hidden, `dp with space`, get("dp_\u00e9")))), bquote(assign("X", .(k), globalenv())), bquote(assign("FUN", function(x) .(m), globalenv())),
      quote(assign("args", 1, globalenv())), quote(assign("i", 2, globalenv())), quote(assign("f", function() 3, globalenv())),
      task(quote(list(X, FUN(x), args, i, f()))), quote(rm(list = c("X", "FUN", "args", "i", "f"), envir = globalenv())),
      task(quote(list(exists("FUN"), is.function(args), exists("dp_nothing")))), bquote(assign("dp_vec", c(a = .(k)), globalenv())),
      bquote(assign("dp_vec", c(b = .(k)), globalenv())), task(quote(dp_vec))
    )
  },
  models = function() {
    list(
      bquote(assign("dp_data", data.frame(y = c(1, 3, 2, 5, 4) * .(k), z = 1:5, g = factor(c("a", "b", "a", "b", "c"))), globalenv())),
      quote(assign("dp_shape", function(v) v^2, globalenv())),
      quote(assign("dp_formulas", list(one = y ~ z, two = y ~ dp_shape(z), three = y ~ g), globalenv())),
      quote(assign("dp_fit", stats::lm(y ~ dp_shape(z), dp_data), globalenv())),
      task(quote(lapply(dp_formulas, function(f) round(unname(stats::coef(stats::lm(f, dp_data))), 6)))),
      task(quote(round(unname(stats::predict(dp_fit, data.frame(z = x))), 6))),
      quote(assign("dp_shape", function(v) v + 1, globalenv())), task(quote(round(unname(stats::predict(dp_fit, data.frame(z = x))), 6))),
      quote(assign("dp_contr", function(n, ...) stats::contr.sum(n), globalenv())), quote(options(contrasts = c("dp_contr", "contr.poly"))),
      task(quote(round(unname(stats::coef(stats::lm(y ~ g, dp_data))), 6))),
      task(quote(round(unname(stats::coef(stats::update(dp_fit, . ~ . + z))), 6))), task(quote(stats::aggregate(y ~ g, dp_data, function(v) sum(dp_shape(v))))),
      task(quote(with(dp_data, tapply(y, g, dp_shape)$a))), quote(dp_data$z <- rev(dp_data$z)), task(quote(stats::model.matrix(dp_formulas$two, dp_data)[, 2]))
    )
  },
  traced = function() {
    list(
      bquote(assign(.(fun), function(x) x + .(k), globalenv())), task(bquote(.(as.name(fun))(x))),
      bquote(suppressMessages(utils::capture.output(trace(.(fun), quote(cat("traced\n")), print = FALSE, where = globalenv())))),
      task(bquote(utils::capture.output(r <- .(as.name(fun))(x)))), task(bquote(class(.(as.name(fun)))[[1L]])),
      bquote(suppressMessages(utils::capture.output(untrace(.(fun), where = globalenv())))), task(bquote(utils::capture.output(.(as.name(fun))(x))))
    )
  },
  process_state = function() {
    list(
      pick(quote(setwd(tempdir())), quote(setwd("/")), quote(NULL)), task(quote(getwd())),
      pick(quote(Sys.setlocale("LC_COLLATE", "C")), quote(Sys.setlocale("LC_TIME", "C")), quote(Sys.setlocale("LC_ALL", "C.UTF-8"))),
      task(quote(list(Sys.getlocale("LC_COLLATE"), Sys.getlocale("LC_TIME"), sort(c("b", "A", "a", "B"))))),
      pick(quote(RNGkind("Wichmann-Hill")), quote(RNGkind(normal.kind = "Box-Muller")), quote(RNGkind(sample.kind = "Rounding")), bquote(set.seed(.(k)))),
      task(quote({
        set.seed(x)
        list(RNGkind(), stats::runif(1), stats::rnorm(1), sample(10, 2))
      })),
      pick(quote(options(warn = 2)), quote(options(digits = 3)), quote(options(stringsAsFactors = NULL)), quote(options(dp.opt = NULL))),
      task(quote({
        list(getOption("warn") > 1, tryCatch(as.integer("no number"), warning = function(w) "warned"), utils::capture.output(print(pi)))
      })),
      bquote(options(dp.opt = list(f = function(v) v + dp_k, e = list2env(list(v = .(m)))))), bquote(assign("dp_k", .(k), globalenv())),
      task(quote(getOption("dp.opt")$f(x))), task(quote(getOption("dp.opt")$e$v)),
      quote(options(dp.opt = NULL)), task(quote(getOption("dp.opt"))), quote(Sys.setenv(DP_VAR = "a=b=c")), task(quote(Sys.getenv("DP_VAR")))
    )
  },
  conditions = function() {
    list(
      bquote(assign("dp_signal", function(x) stop(structure(class = c("dp_error", "error", "condition"), list(message = paste("own", .(k)), call = NULL, data = x))), globalenv())),
      task(quote(dp_signal(x))), task(quote(tryCatch(dp_signal(x), dp_error = function(e) e$data))),
      quote(assign("conditionMessage.dp_error", function(c) paste("method", c$data), globalenv())), task(quote(tryCatch(dp_signal(x), error = conditionMessage))),
      task(quote(withCallingHandlers(
        {
          warning("w")
          "value"
        },
        warning = function(w) invokeRestart("muffleWarning")
      ))),
      task(quote(withRestarts(invokeRestart("dp_restart", x), dp_restart = function(v) v * 2))),
      task(quote({
        f <- function() {
          on.exit(dp_nothing)
          x
        }
        f()
      })), task(quote(dp_undefined_function(x))), task(quote(match.arg("b", c("a", "c"))))
    )
  },
  tidy_code = function() {
    list(
      bquote(assign("dp_k", .(k), globalenv())),
      quote(assign("dp_pull", eval(quote(function(data, what) rlang::eval_tidy(rlang::enquo(what), data)), globalenv()), globalenv())),
      task(quote(dp_pull(list(n = x), n * dp_k))),
      quote(assign("dp_quos", local({
        inner <- 2
        list(a = rlang::quo(inner * n), b = rlang::quo(!!dp_k + n))
      }), globalenv())),
      task(quote(lapply(dp_quos, rlang::eval_tidy, list(n = x)))), bquote(assign("dp_k", .(m), globalenv())),
      task(quote(list(dp_pull(list(n = x), .data$n + .env$dp_k), unname(unlist(lapply(dp_quos, rlang::eval_tidy, list(n = x))))))),
      quote(assign("dp_text", eval(quote(function(who) as.character(glue::glue("{who} has {dp_k}"))), globalenv()), globalenv())), task(quote(dp_text(x))),
      task(quote(rlang::exec("dp_text", "someone"))), task(quote(rlang::as_function(~ .x + dp_k)(x)))
    )
  },
  code_in_code = function() {
    list(
      bquote(assign("dp_k", .(k), globalenv())),
      quote(assign("dp_make", function(n) {
        force(n)
        function(x, m = dp_k) {
          inner <- function() x + n + m
          inner()
        }
      }, globalenv())),
      quote(assign("dp_made", lapply(1:3, dp_make), globalenv())), task(quote(vapply(dp_made, function(f) f(x), 1))),
      bquote(assign("dp_k", .(m), globalenv())), task(quote(vapply(dp_made, function(f) f(x), 1))),
      quote(assign("dp_lazy", (function(a) function() a)(dp_k * 2), globalenv())), task(quote(dp_lazy() + x)),
      quote(assign("dp_dots", (function(...) function() sum(...))(1, dp_k), globalenv())), task(quote(dp_dots() + x)),
      quote(assign("dp_sub", function(e) eval(substitute(e), list(dp_k = -1), parent.frame()), globalenv())), task(quote(dp_sub(dp_k + x))),
      quote(assign("dp_body", function(x) NULL, globalenv())), bquote(body(dp_body) <- quote(x + .(m))), task(quote(dp_body(x))),
      task(quote(eval(parse(text = "local({ dp_k <- 1; dp_make(1)(2) })")))), task(quote(Recall <- dp_make(1)(x))),
      task(quote({
        dp_k <- 1
        g <- function() dp_k
        rm(dp_k)
        g()
      })),
      task(quote({
        assign("dp_k", 50)
        c(dp_k, get("dp_k", globalenv()))
      }))
    )
  }
))
