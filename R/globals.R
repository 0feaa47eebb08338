# What a function needs that is not in the worker: variables of the global environment, with their present
# values, and attached packages.

needs_cache <- new.env(parent = emptyenv())
needs_cache$entries <- list() # list(body, formals, names), the latest first
needs_cache$limit <- 16L

# `values`: functions and data that travel. `fresh`: the other side is a new R, so everything is needed.
needs_of <- function(values, fresh = FALSE, attached = character()) {
  now <- attached_packages()
  packages <- if (!identical(now, attached)) setdiff(now, if (!fresh) attached)
  list(globals = globals_of(values), packages = packages)
}

globals_of <- function(values) {
  found <- seen <- list()
  todo <- values
  while (length(todo)) {
    fun <- todo[[1L]]
    todo <- todo[-1L]
    if (!is.function(fun) || is.primitive(fun)) next
    symbols <- code_symbols(fun)
    for (name in if (names_globals(fun, symbols)) global_names(fun)) {
      if (name %in% names(found) || !exists(name, envir = globalenv(), inherits = FALSE)) next
      value <- get(name, envir = globalenv(), inherits = FALSE)
      found[name] <- list(value)
      if (is.function(value)) todo <- c(todo, list(value))
    }
    for (local in local_functions(fun, symbols)) {
      if (any(vapply(seen, identical, TRUE, local))) next
      seen <- c(seen, list(local))
      todo <- c(todo, list(local))
    }
  }
  found
}

# The functions among the variables of its own that a function uses. Arguments that nobody has looked at so far are
# evaluated here: in the worker what they are made of may be missing.
local_functions <- function(fun, symbols) {
  found <- list()
  local <- environment(fun)
  symbols <- symbols[!symbols %in% names(formals(fun))] # what it may look up, no exact analysis
  while (length(symbols) && !is_top_level(local)) {
    here <- symbols %in% names(local)
    for (name in symbols[here]) {
      if (bindingIsActive(name, local)) next
      value <- tryCatch(
        if (name == "...") eval(quote(list(...)), local) else get(name, envir = local, inherits = FALSE),
        error = function(e) NULL # it is one in the worker, too, if it is used
      )
      found <- c(found, Filter(is.function, if (name == "...") value else list(value)))
    }
    symbols <- symbols[!here]
    local <- parent.env(local)
  }
  found
}

# Does its code contain the name of any variable of the global environment? A quick look that spares most functions the
# analysis; that loads packages and takes milliseconds.
names_globals <- function(fun, symbols) {
  reaches_global(environment(fun)) && any(symbols %in% ls(globalenv(), all.names = TRUE, sorted = FALSE))
}

# Names that a function may look up in the global environment
global_names <- function(fun) {
  if (is.primitive(fun) || !reaches_global(environment(fun))) {
    return(character())
  }
  names <- free_names(fun)
  local <- environment(fun)
  while (!identical(local, globalenv())) {
    names <- setdiff(names, ls(local, all.names = TRUE, sorted = FALSE))
    local <- parent.env(local)
  }
  names
}

is_top_level <- function(env) {
  identical(env, globalenv()) || identical(env, baseenv()) || identical(env, emptyenv()) || isNamespace(env)
}

# Code is analysed once; its environment is not kept, what lies there may be large.
free_names <- function(fun) {
  body <- body(fun)
  for (entry in needs_cache$entries) if (identical(entry$body, body) && identical(entry$formals, formals(fun))) {
    return(entry$names)
  }
  names <- tryCatch(
    unique(globals::findGlobals(fun, method = "ordered", dotdotdot = "ignore", trace = FALSE)),
    error = function(e) all.names(body, unique = TRUE)
  )
  entry <- list(body = body, formals = formals(fun), names = names)
  needs_cache$entries <- utils::head(c(list(entry), needs_cache$entries), needs_cache$limit)
  names
}

# The function's environment leads to the global one without passing a package's namespace
reaches_global <- function(env) {
  while (!identical(env, emptyenv())) {
    if (identical(env, globalenv())) {
      return(TRUE)
    }
    if (isNamespace(env)) {
      return(FALSE)
    }
    env <- parent.env(env)
  }
  FALSE
}

attached_packages <- function() {
  on <- search()
  if (!identical(on, needs_cache$search)) {
    needs_cache$search <- on
    needs_cache$attached <- sub("^package:", "", on[startsWith(on, "package:")])
  }
  needs_cache$attached
}

# In the worker
apply_needs <- function(needs) {
  for (package in needs$packages) {
    if (paste0("package:", package) %in% search()) next
    suppressPackageStartupMessages(
      if (isNamespaceLoaded(package)) {
        attachNamespace(package)
      } else {
        library(package, character.only = TRUE, warn.conflicts = FALSE)
      }
    )
  }
  if (length(needs$globals)) list2env(needs$globals, globalenv())
  invisible()
}
