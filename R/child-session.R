# Brings a worker up to date with the session. Everything that it receives has a version of the session's journal (see
# src/session/journal.h); what is newer than the worker's version is applied. What an initializer or a task has set stays
# until the session changes the same thing.

seen <- new.env(parent = emptyenv())
seen$given <- new.env(parent = emptyenv()) # variables that came from the session, by name
seen$fork <- FALSE
seen$born <- 0 # the session's version when this worker started
seen$taken <- list() # versions of the large variables that one job brought, by name
seen$lent <- list() # variables of the latest job alone: list(name, value, before), see lend()
seen$connections <- NULL # what tells those that a fork began with from others
seen$missing <- list() # packages that cannot be loaded here, and why
seen$lacks <- list() # the package of each class whose package is missing
seen$search <- NULL # what came from the session's search path: environments
seen$random_kind <- NULL

kinds <- list(value = 0L, active = 1L, gone = 2L, pointer = 3L, large = 4L, refused = 5L, failing = 6L) # as in pages.h

# list(facts, options, environment variables, packages)
apply_settings <- function(page, version) {
  facts <- newer(page[[1L]], version)
  apply_environment(newer(page[[3L]], version))
  value <- named(facts$values, facts$names)
  if (!is.null(value$libraries_of_session)) .libPaths(value$libraries_of_session)
  if (!is.null(value$locale_of_session)) apply_locale(value$locale_of_session)
  if (!is.null(value$folder_of_session)) try(setwd(value$folder_of_session), silent = TRUE)
  for (package in names(value$namespaces_of_session)) load_package(package, value$namespaces_of_session[[package]])
  apply_packages(page[[4L]])
  if (!is.null(value$search_of_session)) apply_search(value$search_of_session)
  apply_options(newer(page[[2L]], version)) # after the packages, which set their own
  if ("random_kind_of_session" %in% facts$names) seen$random_kind <- value$random_kind_of_session
  if (!is.null(seen$random_kind)) apply_random_kind()
  for (method in value$methods_of_session) apply_method(method)
  invisible()
}

newer <- function(columns, version) {
  if (is.null(columns)) {
    return(list(names = character(), values = list(), kinds = integer(), versions = numeric()))
  }
  new <- columns[[3L]] > version
  list(
    names = columns[[1L]][new], values = unname(columns[[2L]])[new], versions = columns[[3L]][new],
    kinds = columns[[4L]][new]
  )
}

apply_environment <- function(changed) {
  gone <- changed$kinds == kinds$gone
  if (any(gone)) Sys.unsetenv(changed$names[gone])
  set <- named(changed$values[!gone], changed$names[!gone])
  if (length(set)) do.call(Sys.setenv, set)
}

apply_options <- function(changed) {
  set <- named(changed$values, changed$names)
  if ("warn" %in% names(set) && identical(as.integer(set$warn), 0L)) set$warn <- 1L # as enter_child() has it
  if (length(set)) options(set)
}

apply_locale <- function(locale) {
  for (category in names(locale)) {
    if (!identical(Sys.getlocale(category), locale[[category]])) suppressWarnings(Sys.setlocale(category, locale[[category]]))
  }
}

# A job with a seed leaves its generator behind: this sets the session's again
apply_random_kind <- function() {
  kind <- seen$random_kind
  if (is.null(kind)) kind <- rep("default", 3L)
  suppressWarnings(RNGkind(kind[1L], kind[2L], kind[3L]))
}

# --- packages ---

apply_packages <- function(paths) {
  loaded <- vapply(names(paths), function(package) load_package(package, paths[[package]]), TRUE)
  missing <- names(paths)[!loaded]
  classes <- attr(paths, "classes")
  for (class in names(classes)) {
    of <- intersect(classes[[class]], missing)
    seen$lacks[[class]] <- if (length(of)) of[1L] # NULL: it has been installed since
  }
}

# Without its package's methods such an object would give another result: the elements that have one fail instead.
guarded <- function(fun) {
  function(...) {
    refuse_classes(list(fun, ...))
    fun(...)
  }
}

refuse_classes <- function(values) {
  found <- intersect(classes_inside(values), names(seen$lacks))
  if (length(found)) missing_package(seen$lacks[[found[1L]]])
}

# Classes of a value, of its parts, and of what its functions name
classes_inside <- function(x, depth = 0L) {
  if (depth > 8L) {
    return(NULL)
  }
  parts <- attributes(x)
  if (is.list(x)) parts <- c(parts, unclass(x))
  if (is.function(x) && !is.primitive(x)) {
    for (env in unique(list(environment(x), globalenv()))) {
      names <- intersect(all.names(body(x)), if (!is_top_level(env) || identical(env, globalenv())) names(env))
      parts <- c(parts, mget(names, env))
    }
  }
  c(class(x), unlist(lapply(parts, classes_inside, depth + 1L), use.names = FALSE))
}

# TRUE if it is loaded now. A missing package is an error only of what needs it.
load_package <- function(package, path) {
  if (isNamespaceLoaded(package)) {
    return(TRUE)
  }
  failed <- tryCatch(
    {
      suppressWarnings(suppressPackageStartupMessages(
        loadNamespace(package, lib.loc = c(if (nzchar(path)) dirname(path), .libPaths()))
      ))
      NULL
    },
    error = function(e) message_of(e)
  )
  seen$missing[[package]] <- failed
  is.null(failed)
}

missing_package <- function(package) {
  abort("ProcessError", sprintf(
    paste0(
      "package '%s', which the session has loaded or `packages` names, cannot be loaded in the worker: %s; ",
      "install it, or give its folder to .libPaths()"
    ), package, seen$missing[[package]]
  ))
}

# The search path in the session's order; what this worker attached by itself stays in front. Two entries may have the same
# name, so all but packages are told apart by their environments.
apply_search <- function(wanted) {
  names <- vapply(wanted, `[[`, "", "name")
  here <- attached()
  from_session <- vapply(here, is_among, TRUE, seen$search) | startsWith(names(here), "package:") & names(here) %in% names
  own <- here[!from_session]
  there <- here[from_session]
  keep <- 0L # number of entries at the end that are already right
  while (keep < min(length(there), length(names)) &&
    is_as_wanted(there[length(there) - keep], wanted[[length(names) - keep]])) {
    keep <- keep + 1L
  }
  old <- utils::head(there, length(there) - keep)
  for (env in old[names(old) != "Autoloads"]) {
    suppressWarnings(try(detach(pos = position_of(env), force = TRUE), silent = TRUE))
  }
  position <- position_of(if (keep) there[[length(old) + 1L]] else baseenv())
  for (entry in rev(utils::head(wanted, length(wanted) - keep))) {
    if (entry$name == "Autoloads") position <- move_autoloads(position) else attach_entry(entry, position)
  }
  here <- attached()
  seen$search <- here[!vapply(here, is_among, TRUE, own)]
}

# `here`: one entry of the search path, by its name
is_as_wanted <- function(here, entry) {
  package <- startsWith(entry$name, "package:")
  identical(names(here), entry$name) && is.null(entry$values) &&
    (!package || identical(part_attached(here[[1L]], entry$name), entry$part))
}

# R itself refers to this entry, which attach() would copy: it is linked in elsewhere, behind those that lie before `position`.
# Returns its new position.
move_autoloads <- function(position) {
  autoloads <- as.environment("Autoloads")
  before <- as.environment(position_of(autoloads) - 1L)
  parent.env(before) <- parent.env(autoloads)
  before <- as.environment(position - 2L) # what lay behind it has moved up by one
  parent.env(autoloads) <- parent.env(before)
  parent.env(before) <- autoloads
  position - 1L
}

position_of <- function(env) Position(function(at) identical(as.environment(at), env), seq_along(search()))

is_among <- function(env, envs) any(vapply(envs, identical, TRUE, env))

attach_entry <- function(entry, position) {
  if (!startsWith(entry$name, "package:")) {
    if (is.null(entry$values)) {
      return()
    }
    env <- attach_quietly(entry$values, position, entry$name)
    for (name in names(entry$active)) makeActiveBinding(name, entry$active[[name]], env)
    return()
  }
  package <- sub("^package:", "", entry$name)
  path <- if (is.null(entry$path)) "" else entry$path
  if (load_package(package, path)) {
    not_wanted <- if (!is.null(entry$part)) setdiff(attachable(package), entry$part)
    failed <- tryCatch(
      {
        suppressWarnings(suppressPackageStartupMessages(attachNamespace(package, pos = position, exclude = not_wanted)))
        NULL
      },
      error = function(e) message_of(e)
    )
    if (is.null(failed)) {
      return()
    }
    seen$missing[[package]] <- failed
  }
  # Whatever the package exports is an error that names the package.
  stand_in <- attach_quietly(list(), position, entry$name)
  complain <- eval(bquote(function(value) missing_package(.(package))))
  for (name in entry$exports) makeActiveBinding(name, complain, stand_in)
}

# (attach() in a package is a note of R CMD check: it is meant here.)
attach_quietly <- function(what, position, name) {
  get("attach", baseenv())(what, pos = position, name = name, warn.conflicts = FALSE)
}

# --- variables ---

# list(names, values, versions, kinds)
apply_variables <- function(page, version) {
  changed <- newer(page, version)
  s4 <- startsWith(changed$names, ".__C__") | startsWith(changed$names, ".__T__")
  if (any(s4)) forget_definitions(changed, s4)
  for (i in seq_along(changed$names)) {
    name <- changed$names[i]
    switch(changed$kinds[i] + 1L,
      set_variable(name, changed$values[[i]]),
      set_active(name, changed$values[[i]]),
      remove_variable(name),
      if (is_from_session(name)) remove_variable(name)
    )
  }
  if (any(s4)) note_definitions()
  invisible()
}

set_variable <- function(name, value) {
  if (exists(name, globalenv(), inherits = FALSE)) unlock(name)
  assign(name, value, envir = globalenv())
  assign(name, value, envir = seen$given)
}

set_active <- function(name, fun) {
  remove_variable(name)
  makeActiveBinding(name, fun, globalenv())
}

remove_variable <- function(name) {
  if (exists(name, globalenv(), inherits = FALSE)) rm(list = name, envir = globalenv())
}

unlock <- function(name) {
  if (bindingIsActive(name, globalenv())) rm(list = name, envir = globalenv())
  else if (bindingIsLocked(name, globalenv())) unlockBinding(name, globalenv())
}

# Is it what the session had or sent, and not what this worker has set?
is_from_session <- function(name) {
  if (!exists(name, globalenv(), inherits = FALSE) || bindingIsActive(name, globalenv())) {
    return(FALSE)
  }
  if (is_inherited_promise(name)) {
    return(TRUE)
  }
  value <- tryCatch(list(get(name, globalenv())), error = function(e) NULL)
  if (is.null(value)) { # a promise that stops
    return(TRUE)
  }
  is_same_object(value[[1L]], seen$given[[name]]) || (seen$fork && is_same_object(value[[1L]], session_had(name)))
}

# In a fork: is it a promise that the session had? It is left alone: the session's copy is the one that counts.
is_inherited_promise <- function(name) seen$fork && has_inherited_promise(name)

# Variables of one job: large ones that its functions name, and those of `globals`. The old values return after the job.
lend <- function(columns) {
  for (entry in seen$lent) {
    now <- forced_variable(entry$name)
    if (is_error(now) || !is_same_object(now[[1L]], entry$value)) next # a task has set it since
    remove_variable(entry$name)
    if (is_error(entry$before)) makeActiveBinding(entry$name, failure(entry$before), globalenv())
    else if (!is.null(entry$before)) assign(entry$name, entry$before[[1L]], envir = globalenv())
  }
  seen$lent <- list()
  if (is.null(columns)) {
    return(invisible())
  }
  for (i in seq_along(columns[[1L]])) {
    name <- columns[[1L]][i]
    kind <- columns[[4L]][i]
    value <- columns[[2L]][[i]]
    there <- exists(name, globalenv(), inherits = FALSE) && !bindingIsActive(name, globalenv())
    version <- columns[[3L]][i]
    if (kind == kinds$failing && seen$fork && version <= seen$born) next # it has the same promise
    own <- there && !is_from_session(name) && version <= max(seen$born, seen$taken[[name]])
    inherited <- there && seen$fork && version <= seen$born # as it was at the fork
    if (own || (inherited && kind %in% c(kinds$pointer, kinds$refused))) next
    promise <- there && is_inherited_promise(name)
    given <- is.infinite(version) # in `globals`
    before <- if (there && (given || !promise)) forced_variable(name) # else the session has the value from now on
    if (promise && given && !is_error(before)) assign(name, before[[1L]], envir = seen$given) # not this worker's own
    if (kind %in% c(kinds$refused, kinds$failing)) {
      remove_variable(name)
      makeActiveBinding(name, if (kind == kinds$refused) refusal(value) else failure(value), globalenv())
      next
    }
    unlock_if_there(name)
    assign(name, value, envir = globalenv())
    if (kind != kinds$value) seen$taken[[name]] <- version
    seen$lent <- c(seen$lent, list(list(name = name, value = value, before = before)))
  }
  invisible()
}

is_error <- function(x) inherits(x, "error")

unlock_if_there <- function(name) if (exists(name, globalenv(), inherits = FALSE)) unlock(name)

refusal <- function(text) {
  force(text)
  function(value) abort("EncodingError", text)
}

# Of a variable that could not be evaluated in the session
failure <- function(condition) {
  force(condition)
  function(value) stop(condition)
}

# Variables in environments that are of no use here, see src/session/lost.h: each becomes an error for what looks at it, until
# a task gives it a value.
refuse_lost <- function(lost) {
  for (entry in lost) refuse_variable(entry[[2L]], entry[[1L]], entry[[3L]])
}

refuse_lost_in_call <- function(fun, args) {
  refuse_lost(session_lost(list(fun)))
  refuse_lost(session_lost(args))
}

refuse_variable <- function(name, env, text) {
  force(text)
  locked <- bindingIsLocked(name, env)
  if (locked) unlockBinding(name, env)
  lost <- get(name, env)
  look <- function() if (in_child()) abort("EncodingError", text) else lost # back in the session it is as it was
  if (environmentIsLocked(env)) { # no binding may be removed or added, as in most R6 objects
    # A promise whose evaluation failed would warn when it is looked at again: another one takes its place first.
    look_once <- function() {
      if (in_child()) promise()
      look()
    }
    promise <- function() {
      if (locked) unlockBinding(name, env)
      delayedAssign(name, look_once(), parent.env(environment()), env)
      if (locked) lockBinding(name, env)
    }
    return(promise())
  }
  rm(list = name, envir = env)
  makeActiveBinding(name, function(value) {
    if (missing(value)) {
      return(look())
    }
    rm(list = name, envir = env)
    assign(name, value, envir = env)
  }, env)
}

# Numbers below 3 are the standard ones, which every process has.
is_own_connection <- function(con) {
  number <- as.integer(con)
  if (number < 3L) {
    return(TRUE)
  }
  id <- attr(con, "conn_id")
  had <- any(vapply(seen$connections, identical, TRUE, id))
  had && number %in% getAllConnections() && identical(attr(getConnection(number), "conn_id"), id)
}

connections_here <- function() {
  numbers <- getAllConnections()
  if (length(numbers) > 3L) lapply(numbers[-(1:3)], function(number) attr(getConnection(number), "conn_id"))
}

# Called when a worker or process starts. `session`: in a new R, what session_page() gave; NULL: this is a fork. `needs`:
# what start_needs() gave.
begin_session <- function(session, needs) {
  seen$fork <- is.null(session)
  if (seen$fork) {
    seen$born <- session_version()
    seen$connections <- connections_here()
    seen$search <- attached()
    return(invisible())
  }
  seen$born <- session[[1L]]
  seen$search <- attached()
  settings <- session[[2L]]
  extra <- setdiff(names(Sys.getenv()), c(settings[[3L]][[1L]], own_environment))
  extra <- extra[!startsWith(extra, "MULTIPROCESSING_PROCESS_")] # marks of the processes that started this one
  if (length(extra)) Sys.unsetenv(extra)
  apply_settings(settings, 0)
  if (!is.null(session[[3L]])) apply_variables(session[[3L]], 0)
  apply_needs(needs)
}

# as in journal.cpp
own_environment <- c("MULTIPROCESSING_SPAWN", "R_SESSION_TMPDIR", "R_TESTS", "TMPDIR", "PWD", "OLDPWD", "SHLVL", "_")

# list(variables, packages, packages to attach)
apply_needs <- function(needs) {
  apply_packages(if (length(needs) > 1L) needs[[2L]])
  lend(if (length(needs)) needs[[1L]])
  for (package in if (length(needs) > 2L) needs[[3L]]) {
    if (paste0("package:", package) %in% search()) next
    if (!load_package(package, "")) missing_package(package)
    suppressWarnings(suppressPackageStartupMessages(attachNamespace(package)))
  }
}
