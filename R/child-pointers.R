# Other packages say of an object whose pointer was left behind no more than that a pointer is bad. What can be done is said
# here, with the path of the first such pointer among `inputs()`, what the function was given; NULL if there is none.
pointer_hint <- function(condition, inputs) {
  if (!grepl("pointer|symbol address", message_of(condition), ignore.case = TRUE)) {
    return(NULL)
  }
  # an object of another package may refuse to be looked at
  path <- tryCatch(first_empty_pointer(inputs()), error = function(e) NULL)
  if (is.null(path)) {
    return(NULL)
  }
  sprintf(paste(
    "`%s` is an empty pointer: a live pointer is good only in the process that made it. Make the object in the task,",
    "or send what it can be made of (see ?`what-travels`)"
  ), path)
}

# What a function is given, and the variables that it names
inputs_of <- function(fun, args) {
  labels <- sprintf("..%d", seq_along(args)) # R's names for arguments without a name
  given <- nzchar(names_or_blank(args))
  labels[given] <- names(args)[given]
  args <- named(unname(args), labels)
  if (is.primitive(fun)) {
    return(args)
  }
  variables <- utils::head(unique(all.names(body(fun), functions = FALSE)), 100L)
  variables <- variables[vapply(variables, exists, TRUE, envir = environment(fun))]
  c(args, mget(variables, envir = environment(fun), inherits = TRUE))
}

first_empty_pointer <- function(values) {
  for (name in names(values)) {
    path <- path_of_pointer(values[[name]], name)
    if (!is.null(path)) {
      return(path)
    }
  }
  NULL
}

# The path of an empty pointer in `x`, or NULL; not deeper than `depth`, and not in long lists
path_of_pointer <- function(x, path, depth = 5L) {
  if (is_empty_pointer(x)) {
    return(path)
  }
  if (depth == 0L) {
    return(NULL)
  }
  inner <- function(parts, labels) {
    for (i in utils::head(seq_along(parts), 100L)) {
      found <- path_of_pointer(parts[[i]], paste0(path, labels[i]), depth - 1L)
      if (!is.null(found)) {
        return(found)
      }
    }
    NULL
  }
  if (is.environment(x)) {
    x <- as.environment(x) # a reference object is one with attributes
    names <- utils::head(ls(x, all.names = TRUE, sorted = FALSE), 100L)
    names <- names[!vapply(names, bindingIsActive, TRUE, env = x)]
    found <- inner(mget(names, envir = x), paste0("$", names))
  } else if (is.list(x)) {
    x <- unclass(x)
    names <- names_or_blank(x)
    found <- inner(x, ifelse(nzchar(names), paste0("$", names), sprintf("[[%d]]", seq_along(x))))
  } else {
    found <- NULL
  }
  kept <- attributes(x)
  kept <- kept[setdiff(names(kept), c("names", "class", "dim", "dimnames", "row.names", "srcref"))]
  if (is.null(found)) inner(kept, paste0("@", names(kept))) else found
}

names_or_blank <- function(x) if (is.null(names(x))) rep("", length(x)) else names(x)
