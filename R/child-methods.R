# The session's methods, classes and generics in a worker. R keeps them in tables, besides the variables that we send.

# A method that registerS3method() has put into the table of a package: list(package, name, method). NULL: it was taken out.
apply_method <- function(method) {
  if (!isNamespaceLoaded(method[[1L]])) {
    return()
  }
  table <- asNamespace(method[[1L]])[[".__S3MethodsTable__."]]
  if (!is.null(method[[3L]])) assign(method[[2L]], method[[3L]], envir = table)
  else if (exists(method[[2L]], table, inherits = FALSE)) rm(list = method[[2L]], envir = table)
}

# Called before the variables of S4 classes and methods (at `s4`) are replaced.
forget_definitions <- function(changed, s4) {
  for (kind in c(".__T__", ".__C__")) { # methods before their classes
    for (i in which(s4 & startsWith(changed$names, kind))) {
      suppressMessages(forget_methods(changed$names[i], changed$values[[i]]))
    }
  }
}

# Called after that. A generic caches the methods that R found for each class; cacheMetaData() does not replace these.
note_definitions <- function() {
  suppressMessages(methods_of_r()$cacheMetaData(globalenv(), TRUE))
  generics <- methods_of_r()$.genericTable
  for (name in names(generics)) {
    known <- generics[[name]]
    for (generic in if (is.list(known)) known else list(known)) forget_found(environment(generic))
  }
}

# `.MTable` has the methods as defined, `.AllMTable` those and what was found by inheritance.
forget_found <- function(frame) {
  if (!is.environment(frame) || !is.environment(frame$.AllMTable) || !is.environment(frame$.MTable)) {
    return()
  }
  rm(list = names(frame$.AllMTable), envir = frame$.AllMTable)
  list2env(as.list(frame$.MTable, all.names = TRUE), frame$.AllMTable)
}

# Clears R's tables of S4 methods and classes for a definition that was removed or has fewer methods now
forget_methods <- function(name, value) {
  before <- get0(name, globalenv(), inherits = FALSE)
  if (startsWith(name, ".__C__") && is.null(value) && !is.null(before)) {
    try(suppressWarnings(methods_of_r()$removeClass(sub("^\\.__C__", "", name), where = globalenv())), silent = TRUE)
  }
  if (startsWith(name, ".__T__") && is.environment(before)) {
    generic <- sub(":[^:]*$", "", sub("^\\.__T__", "", name))
    for (signature in setdiff(ls(before, all.names = TRUE), if (is.environment(value)) ls(value, all.names = TRUE))) {
      try(suppressWarnings(methods_of_r()$removeMethod(generic, strsplit(signature, "#", fixed = TRUE)[[1L]], globalenv())),
        silent = TRUE
      )
    }
  }
}

methods_of_r <- function() asNamespace("methods")

