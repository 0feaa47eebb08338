# What a job takes along from the session, see src/session/journal.h: the facts that the journal asks for, the packages of
# classes, and the arguments `globals` and `packages` of the methods that take a function.

# list(variables, packages, packages to attach) for the body of a job; NULL: nothing. Variables: list(names, values, versions, kinds).
job_needs <- function(private, func, args, elements, sees) {
  needs <- NULL
  if (!isFALSE(sees$globals)) {
    needs <- pool_needs(private$ptr, func, args, elements, private$spawns)
    if (is.list(sees$globals)) needs[1L] <- list(given_variables(sees$globals))
  }
  with_packages(needs, sees$packages)
}

# The same for a new R that starts with `values`
start_needs <- function(values, globals = TRUE, packages = NULL) {
  needs <- if (!isFALSE(globals)) session_needs(values, TRUE)
  if (is.list(globals)) needs[1L] <- list(given_variables(globals))
  with_packages(needs, packages)
}

# What a job sees of the session; NULL: the session as it is
what_to_see <- function(globals, packages, frame) {
  if (isTRUE(globals) && is.null(packages)) {
    return(NULL)
  }
  list(globals = check_globals(globals, frame), packages = check_packages(packages))
}

with_packages <- function(needs, packages) {
  if (is.null(packages)) {
    return(needs)
  }
  of_classes <- if (length(needs) > 1L) needs[[2L]]
  wanted <- c(of_classes, vapply(named(packages), package_path, ""))
  attr(wanted, "classes") <- attr(of_classes, "classes")
  list(if (length(needs)) needs[[1L]], wanted, packages)
}

given_variables <- function(globals) {
  list(names(globals), globals, rep(Inf, length(globals)), rep(0L, length(globals)))
}

# `globals` and `packages` as a user gave them. `frame`: where names are looked up.
check_globals <- function(globals, frame) {
  if (is.logical(globals) && length(globals) == 1L && !is.na(globals)) {
    return(globals)
  }
  if (is.character(globals) && !anyNA(globals)) {
    missing <- globals[!vapply(globals, exists, TRUE, envir = frame)]
    if (length(missing)) {
      abort("ValueError", sprintf("`globals` names the variable `%s`, which does not exist", missing[1L]))
    }
    return(lapply(named(globals), get, envir = frame))
  }
  named <- is.list(globals) && (length(globals) == 0L || (!is.null(names(globals)) && all(nzchar(names(globals)))))
  if (!named) {
    abort("ValueError", sprintf(
      "`globals` must be TRUE, FALSE, names of variables or a list with names, not %s", describe_value(globals)
    ))
  }
  globals
}

check_packages <- function(packages) {
  if (!is.null(packages) && (!is.character(packages) || anyNA(packages))) {
    abort("ValueError", sprintf("`packages` must be names of packages, not %s", describe_value(packages)))
  }
  packages
}

# Arguments of a surrounding function that were not evaluated yet are evaluated here: the worker may lack what they are
# computed from. Only those that the code of a function names.
force_locals <- function(values) {
  seen <- todo <- list()
  for (value in values) if (is.function(value)) todo <- c(todo, list(value))
  while (length(todo)) {
    fun <- todo[[1L]]
    todo <- todo[-1L]
    if (is.primitive(fun) || is_top_level(environment(fun)) || any(vapply(seen, identical, TRUE, fun))) next
    seen <- c(seen, list(fun))
    todo <- c(todo, local_functions(fun))
  }
}

local_functions <- function(fun) {
  found <- list()
  local <- environment(fun)
  symbols <- code_symbols(fun)
  symbols <- symbols[!symbols %in% names(formals(fun))] # what it may look up, no exact analysis
  while (length(symbols) && !is_top_level(local)) {
    here <- symbols %in% names(local)
    for (name in symbols[here]) {
      if (bindingIsActive(name, local)) next
      value <- tryCatch(
        if (name == "...") eval(quote(list(...)), local) else get(name, envir = local, inherits = FALSE),
        error = function(e) NULL # the worker signals the error, if it uses the argument
      )
      found <- c(found, Filter(is.function, if (name == "...") value else list(value)))
    }
    symbols <- symbols[!here]
    local <- parent.env(local)
  }
  found
}

is_top_level <- function(env) {
  identical(env, globalenv()) || identical(env, baseenv()) || identical(env, emptyenv()) || isNamespace(env)
}

# The workers of a fork pool have the variables with live pointers. Such a function is sent to them by its name.
inherited_function <- function(ptr, func) {
  name <- pool_inherited(ptr, func)
  if (is.null(name)) func else structure(list(name), class = inherited_class)
}

inherited_class <- "multiprocessing_inherited"

# list(value) of a variable, or its error, as an error that can be sent. Its promise may take long: Ctrl-C ends it.
forced_variable <- function(name) {
  tryCatch(allowInterrupts(list(get(name, envir = globalenv(), inherits = FALSE))), error = function(e) {
    if (travels(e)) e else simpleError(message_of(e))
  })
}

named <- function(x, names = x) {
  names(x) <- names
  x
}

# --- facts for the journal, each called when it has changed ---

# What is on the search path besides the global environment and base: environments by their names
attached <- function() {
  on <- seq(2L, length(search()) - 1L)
  named(lapply(on, as.environment), search()[on])
}

# From the first to the last but base: list(name, path, exports, part) of a package, list(name, values, active) of anything else
search_of_session <- function() {
  on <- attached()
  on <- on[!startsWith(names(on), "tools:")]
  Map(unname(on), names(on), USE.NAMES = FALSE, f = function(env, name) {
    if (startsWith(name, "package:")) {
      return(list(name = name, path = attr(env, "path"), exports = ls(env, all.names = TRUE), part = part_attached(env, name)))
    }
    if (name == "Autoloads") {
      return(list(name = name))
    }
    names <- setdiff(ls(env, all.names = TRUE), active_names(env))
    # A promise there may fail, as those by which R CMD check finds `T` and `F`.
    values <- lapply(named(names), function(name) tryCatch(list(get(name, envir = env, inherits = FALSE)), error = function(e) NULL))
    values <- lapply(Filter(Negate(is.null), values), `[[`, 1L)
    active <- lapply(named(active_names(env)), function(name) activeBindingFunction(as.name(name), env))
    list(name = name, values = Filter(travels, values), active = Filter(travels, active))
  })
}

travels <- function(value) tryCatch(is.raw(codec_encode(value)), error = function(e) FALSE)

# What library(include.only = , exclude = ) attached of a package; NULL: all
part_attached <- function(env, name) {
  package <- sub("^package:", "", name)
  if (!isNamespaceLoaded(package)) { # as pkgload and others make them
    return(NULL)
  }
  all <- attachable(package)
  there <- all %in% names(env)
  if (!all(there)) sort(all[there])
}

attachable <- function(package) c(getNamespaceExports(package), names(getNamespaceInfo(package, "lazydata")))

active_names <- function(env) Filter(function(name) bindingIsActive(as.name(name), env), ls(env, all.names = TRUE))

# Of the functions that run, see src/session/inherited.h
frames_of_session <- function() unique(as.list(sys.frames()))

folder_of_session <- function() getwd()

locale_of_session <- function() {
  categories <- c("LC_COLLATE", "LC_CTYPE", "LC_MONETARY", "LC_NUMERIC", "LC_TIME", "LC_MESSAGES")
  vapply(categories, Sys.getlocale, "")
}

libraries_of_session <- function() .libPaths()

random_kind_of_session <- function() {
  had <- exists(".Random.seed", globalenv(), inherits = FALSE)
  kind <- RNGkind()
  if (!had) suppressWarnings(rm(".Random.seed", envir = globalenv())) # RNGkind() has made one
  kind
}

# The tables of S3 methods: base's and each namespace's
method_tables <- function() {
  tables <- lapply(loadedNamespaces(), function(package) asNamespace(package)[[".__S3MethodsTable__."]])
  unique(Filter(is.environment, c(list(.BaseNamespaceEnv[[".__S3MethodsTable__."]]), tables)))
}

# Methods in these tables that belong to no package: list(generic's package, name, method). Where the session had one before, and
# has a package's or none now, it is that, or NULL.
methods_of_session <- function() {
  found <- lapply(loadedNamespaces(), function(package) {
    table <- asNamespace(package)[[".__S3MethodsTable__."]]
    if (is.null(table)) { # a package without R code
      return(NULL)
    }
    names <- union(session_methods_in(table), had_methods[[package]])
    if (length(names)) assign(package, names, envir = had_methods)
    lapply(names, function(name) list(package, name, get0(name, envir = table, inherits = FALSE)))
  })
  unlist(found, recursive = FALSE)
}

had_methods <- new.env(parent = emptyenv()) # names of methods of the session, by package

top_level_of <- function(env) {
  while (!is_top_level(env)) env <- parent.env(env)
  env
}

# Namespaces that were loaded from a folder outside .libPaths(), where a worker would not look for them
namespaces_of_session <- function() {
  paths <- vapply(setdiff(loadedNamespaces(), base_packages), package_path, "")
  paths[nzchar(paths) & !dirname(paths) %in% .libPaths()]
}

base_packages <- c("base", "methods", "datasets", "utils", "grDevices", "graphics", "stats", "multiprocessing")

package_path <- function(package) {
  path <- if (isNamespaceLoaded(package)) getNamespaceInfo(package, "path")
  if (is.null(path)) "" else path
}

# --- the packages of classes ---

class_packages <- new.env(parent = emptyenv())

# c(name = path) of the loaded packages that have methods for these classes (which may also be names of packages). Attribute
# `classes`: list(class = packages) of those that R itself does not know, see refuse_classes().
packages_for <- function(classes) {
  note_classes()
  of <- Filter(length, mget(classes[nzchar(classes)], class_packages$of, ifnotfound = list(NULL)))
  found <- unique(unlist(of, use.names = FALSE))
  if (length(found)) structure(vapply(named(found), package_path, ""), classes = of[!names(of) %in% class_packages$of_r])
}

classes_in_packages <- function() {
  note_classes()
  ls(class_packages$of, all.names = TRUE)
}

note_classes <- function() {
  loaded <- loadedNamespaces()
  if (!identical(class_packages$loaded, loaded)) {
    class_packages$loaded <- loaded
    class_packages$of <- new.env(parent = emptyenv())
    if (is.null(class_packages$of_r)) class_packages$of_r <- classes_of_r()
    for (package in setdiff(loaded, c(base_packages, "R6", "parallelly", "parallel", "compiler", "tools"))) {
      methods <- getNamespaceInfo(package, "S3methods")
      for (class in unique(c(package, if (is.matrix(methods)) methods[, 2L]))) {
        if (is.na(class) || !nzchar(class)) next
        class_packages$of[[class]] <- c(class_packages$of[[class]], package)
      }
    }
  }
}

# Those for which the packages of R, and not only others, have methods
classes_of_r <- function() {
  methods <- lapply(setdiff(base_packages, c("base", "multiprocessing")), function(package) {
    registered <- getNamespaceInfo(package, "S3methods")
    if (is.matrix(registered)) registered[, 2L]
  })
  implicit <- c("numeric", "integer", "double", "character", "logical", "complex", "raw", "list", "function", "matrix", "array")
  c(unlist(methods), .S3_methods_table[, 2L], implicit)
}
