# Classes, objects and generics in the programs of the differential test, see helper-program-steps.R.

object_steps <- list(
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
  s3_groups = function() {
    there <- function(code) task(bquote({
      o <- structure(list(v = x), class = c(.(class), "dp_base"))
      .(code)
    }))
    list(
      quote(assign("Ops.dp_base", function(e1, e2) paste(.Generic, unclass(e1)$v), globalenv())),
      quote(assign("print.dp_base", function(x, ...) cat("<", dp_label(x), ">\n"), globalenv())),
      bquote(assign("dp_label", function(o) UseMethod("dp_label"), globalenv())),
      bquote(assign("dp_label.dp_base", function(o) .(k), globalenv())),
      there(quote(list(o + 1, o == o, utils::capture.output(print(o))))),
      bquote(assign(.(paste0("dp_label.", class)), function(o) paste("own", NextMethod()), globalenv())),
      there(quote(utils::capture.output(print(o)))),
      quote(assign("$.dp_base", function(x, name) paste("field", name), globalenv())),
      quote(assign("[<-.dp_base", function(x, i, value) structure(list(v = value), class = class(x)), globalenv())),
      there(quote({
        o[1] <- 7
        list(o$anything, unclass(o), length(o))
      })),
      pick(quote(rm("$.dp_base", envir = globalenv())), quote(assign("length.dp_base", function(x) 99L, globalenv()))),
      there(quote(list(o$v, length(o), dp_label(o))))
    )
  },
  s3_implicit = function() {
    list(
      quote(assign("dp_kind", function(x, ...) UseMethod("dp_kind"), globalenv())),
      quote(assign("dp_kind.default", function(x, ...) "default", globalenv())),
      quote(assign("dp_kind.function", function(x, ...) "function", globalenv())),
      quote(assign("dp_kind.matrix", function(x, ...) c("matrix", NextMethod()), globalenv())),
      task(quote(list(dp_kind(x), dp_kind(sum), dp_kind(matrix(x)), dp_kind(dp_kind)))),
      bquote(assign("dp_kind.numeric", function(x, ...) .(k), globalenv())), quote(rm("dp_kind.function", envir = globalenv())),
      task(quote(list(dp_kind(x), dp_kind(sum), dp_kind(matrix(x)), vapply(list(1L, "a", x), function(v) paste(dp_kind(v)), ""))))
    )
  },
  s3_elsewhere = function() {
    list(
      quote(assign("dp_where", function(x) UseMethod("dp_where"), globalenv())),
      quote(assign("dp_where.default", function(x) "nowhere", globalenv())),
      pick(
        bquote(attach(list(dp_where.dp_far = function(x) .(k)), name = "dp_list3", warn.conflicts = FALSE)),
        bquote(registerS3method("dp_where", "dp_far", function(x) .(k), envir = globalenv())),
        bquote(.S3method("dp_where", "dp_far", function(x) .(k)))
      ),
      task(quote(dp_where(structure(x, class = "dp_far")))),
      bquote(registerS3method("format", "dp_far", function(x, ...) paste("far", .(m)), envir = baseenv())),
      bquote(registerS3method("toString", "dp_far", function(x, ...) paste("again", dp_where(x)), envir = baseenv())),
      task(quote(list(format(structure(x, class = "dp_far")), toString(structure(x, class = "dp_far"))))),
      bquote(registerS3method("format", "dp_far", function(x, ...) paste("further", .(k)), envir = baseenv())),
      task(quote(format(structure(x, class = "dp_far"))))
    )
  },
  s4_show = function() {
    shown <- task(quote(utils::capture.output(print(methods::new("DpBox", v = x)))))
    list(
      quote(suppressMessages(methods::setClass("DpBox", representation(v = "numeric"), where = globalenv()))), shown,
      bquote(methods::setMethod("show", "DpBox", eval(quote(function(object) cat("box", object@v, .(k), "\n")), globalenv()), where = globalenv())),
      shown,
      bquote(methods::setMethod("show", "DpBox", eval(quote(function(object) cat("other", object@v, .(m), "\n")), globalenv()), where = globalenv())),
      shown, pick(quote(methods::removeMethod("show", "DpBox", where = globalenv())), quote(NULL)), shown
    )
  },
  s4_family = function() {
    list(
      quote(suppressMessages(methods::setClass("DpBox", representation("VIRTUAL", v = "numeric"), where = globalenv()))),
      bquote(suppressMessages(methods::setClass("DpChild", contains = "DpBox", representation(f = "function"),
        prototype(f = eval(quote(function(x) x + dp_k), globalenv())),
        validity = eval(quote(function(object) if (length(object@v) > 1) "too long" else TRUE), globalenv()), where = globalenv()))),
      bquote(assign("dp_k", .(k), globalenv())),
      task(quote(methods::new("DpChild", v = x)@f(x))), task(quote(methods::new("DpChild", v = c(x, 1)))),
      quote(suppressMessages(methods::setGeneric("dp_open", function(o, ...) standardGeneric("dp_open"), valueClass = "numeric", where = globalenv()))),
      bquote(methods::setMethod("dp_open", "DpBox", eval(quote(function(o, ...) o@v * .(m)), globalenv()), where = globalenv())),
      quote(methods::setMethod("dp_open", "DpChild", eval(quote(function(o, ...) c(methods::callNextMethod(), o@f(1))), globalenv()), where = globalenv())),
      quote(methods::setMethod("initialize", "DpChild", eval(quote(function(.Object, ...) {
        .Object <- methods::callNextMethod(.Object, ...)
        if (length(.Object@v)) .Object@v <- .Object@v + 0.5
        .Object
      }), globalenv()), where = globalenv())),
      task(quote(dp_open(methods::new("DpChild", v = x)))),
      bquote(assign("dp_child", methods::new("DpChild", v = .(k)), globalenv())), quote(dp_child@v <- dp_child@v + 1),
      task(quote(list(dp_open(dp_child), methods::is(dp_child, "DpBox"), methods::isVirtualClass("DpBox")))),
      quote(methods::setAs("DpChild", "character", eval(quote(function(from) paste("child", from@v)), globalenv()), where = globalenv())),
      quote(methods::setMethod("Arith", methods::signature("DpChild", "numeric"), eval(quote(function(e1, e2) methods::callGeneric(e1@v, e2)), globalenv()), where = globalenv())),
      task(quote(list(methods::as(dp_child, "character"), dp_child * 2, dp_child - x)))
    )
  },
  s4_union = function() {
    list(
      quote(suppressMessages(methods::setClassUnion("DpEither", c("numeric", "character"), where = globalenv()))),
      quote(suppressMessages(methods::setGeneric("dp_open", function(o) standardGeneric("dp_open"), where = globalenv()))),
      bquote(methods::setMethod("dp_open", "DpEither", eval(quote(function(o) paste("either", .(k))), globalenv()), where = globalenv())),
      task(quote(list(dp_open(x), dp_open("a"), methods::is(x, "DpEither")))),
      bquote(methods::setMethod("dp_open", "numeric", eval(quote(function(o) .(m)), globalenv()), where = globalenv())),
      quote(suppressMessages(methods::setClass("DpBox", representation(v = "DpEither"), where = globalenv()))),
      quote(suppressMessages(methods::setGeneric("dp_v<-", function(o, value) standardGeneric("dp_v<-"), where = globalenv()))),
      quote(methods::setReplaceMethod("dp_v", "DpBox", eval(quote(function(o, value) {
        o@v <- value
        o
      }), globalenv()), where = globalenv())),
      task(quote({
        b <- methods::new("DpBox", v = x)
        dp_v(b) <- "text"
        list(dp_open(x), dp_open("a"), b@v, methods::existsMethod("dp_open", "DpBox"))
      })),
      quote(methods::removeMethod("dp_open", "numeric", where = globalenv())), task(quote(dp_open(x))),
      quote(suppressMessages(methods::setOldClass("dp_old", where = globalenv()))),
      quote(methods::setMethod("dp_open", "dp_old", eval(quote(function(o) "old"), globalenv()), where = globalenv())),
      task(quote(dp_open(structure(list(), class = "dp_old"))))
    )
  },
  reference_family = function() {
    list(
      bquote(assign("DpAcc", suppressMessages(methods::setRefClass("DpAcc", fields = list(b = "numeric", f = "function"),
        methods = list(
          total = eval(quote(function() b + dp_k), globalenv()), put = eval(quote(function(v) b <<- v), globalenv()),
          show = eval(quote(function() cat("acc", b, "\n")), globalenv())
        ), where = globalenv())), globalenv())),
      bquote(assign("dp_k", .(k), globalenv())),
      quote(assign("DpHeir", suppressMessages(methods::setRefClass("DpHeir", contains = "DpAcc",
        methods = list(total = eval(quote(function() callSuper() * 2), globalenv())), where = globalenv())), globalenv())),
      quote(assign("dp_acc", DpHeir$new(b = 1, f = eval(quote(function(x) x + dp_k), globalenv())), globalenv())),
      task(quote(list(dp_acc$total(), dp_acc$f(x), utils::capture.output(dp_acc)))),
      bquote(dp_acc$b <- .(m)), task(quote(list(dp_acc$total(), DpHeir$new(b = x)$total(), dp_acc$copy()$b))),
      bquote(assign("dp_k", .(m), globalenv())), quote(dp_acc$put(5)), quote(dp_acc$f <- function(x) x * 3),
      task(quote({
        dp_acc$put(dp_acc$b + x)
        list(dp_acc$b, dp_acc$total(), dp_acc$f(2), methods::is(dp_acc, "DpAcc"))
      })),
      quote(DpAcc$methods(twice = eval(quote(function() b * 2), globalenv()))),
      task(quote(list(DpAcc$new(b = x)$twice(), tail(sort(intersect(DpAcc$methods(), c("put", "total", "twice"))), 3))))
    )
  },
  r6_inheritance = function() {
    list(
      quote(assign("DpBase", R6::R6Class("DpBase", parent_env = globalenv(), public = list(
        shared = NULL, initialize = function(v) private$v <- v, get = function() private$v + dp_k
      ), private = list(v = 0), active = list(double = function(value) {
        if (missing(value)) 2 * private$v else private$v <- value
      })), globalenv())),
      bquote(assign("dp_k", .(k), globalenv())),
      quote(assign("DpSub", R6::R6Class("DpSub", inherit = DpBase, parent_env = globalenv(), public = list(
        get = function() c(super$get(), dp_extra()), print = function(...) cat("sub", private$v, "\n"))), globalenv())),
      bquote(assign("dp_extra", function() .(m), globalenv())),
      quote(assign("dp_one", DpSub$new(3), globalenv())),
      task(quote(list(DpSub$new(x)$get(), dp_one$get(), dp_one$double, utils::capture.output(print(dp_one))))),
      bquote(dp_one$double <- .(m)), bquote(DpSub$set("public", "late", function() private$v * .(k))),
      bquote(assign("dp_extra", function() .(k), globalenv())),
      task(quote({
        two <- dp_one$clone()
        two$double <- x
        list(dp_one$get(), two$get(), DpSub$new(x)$late(), inherits(two, "DpBase"))
      })),
      quote(assign("DpBase", R6::R6Class("DpBase", parent_env = globalenv(), public = list(
        initialize = function(v) NULL, get = function() "new base")), globalenv())),
      task(quote(DpBase$new(x)$get())), task(quote(DpSub$new(x)$get()))
    )
  },
  own_classes = function() { # a system of classes as S7 has it: attributes, and tables of methods in environments
    list(
      quote(assign("dp_generic", local({
        methods <- new.env()
        structure(function(o, ...) methods[[attr(attr(o, "DP_class"), "name")]](o, ...), methods = methods, class = c("dp_generic", "function"))
      }), globalenv())),
      quote(assign("DpOwn", structure(function(v) structure(list(), v = v, DP_class = DpOwn), name = "DpOwn", class = "dp_own"), globalenv())),
      bquote(assign("DpOwn", eval(quote(function(o, ...) attr(o, "v") + .(k)), globalenv()), attr(dp_generic, "methods"))),
      task(quote(dp_generic(DpOwn(x)))), task(quote(attr(dp_generic, "methods")$DpOwn(DpOwn(x)))),
      bquote(assign("DpOwn", eval(quote(function(o, ...) attr(o, "v") * .(m)), globalenv()), attr(dp_generic, "methods"))),
      task(quote(dp_generic(DpOwn(x)))),
      quote(assign("$.dp_own", function(x, name) paste("property", name), globalenv())),
      quote(assign("print.dp_generic", function(x, ...) cat("generic of", ls(attr(x, "methods")), "\n"), globalenv())),
      task(quote(list(DpOwn$this, utils::capture.output(print(dp_generic)), inherits(DpOwn, "dp_own"))))
    )
  }
)
