# Results of one type and length, as vapply() gives them: workers write them straight into one vector.

fits_slots <- function(template) typeof(template) %in% c("logical", "integer", "double", "complex", "raw")

# The vector of all results with the names and dimensions that vapply() would give it. `first`: the first value, when it
# has more than one element
shaped <- function(values, template, first, count, names) {
  if (count == 0L) values <- vector(typeof(template), 0L)
  if (length(template) == 1L) {
    names(values) <- names
    return(values)
  }
  dims <- if (is.array(template)) dim(template) else length(template)
  dim(values) <- c(dims, count)
  rows <- row_names(template)
  if (is.null(rows)) rows <- row_names(first)
  if (!is.null(rows) || !is.null(names)) {
    if (length(rows) != length(dims)) rows <- vector("list", length(dims))
    dimnames(values) <- c(rows, list(names))
  }
  values
}

row_names <- function(x) {
  if (is.array(x)) dimnames(x) else if (!is.null(names(x))) list(names(x))
}

slots_as_list <- function(values, template, count) {
  if (length(template) == 1L) {
    return(as.list(values))
  }
  lapply(seq_len(count), function(i) values[(i - 1L) * length(template) + seq_along(template)])
}

# Called by the binding for a value that does not fit; in the words of vapply()
template_failure <- function(index, value, type, width) {
  wanted <- c("10" = "logical", "13" = "integer", "14" = "double", "15" = "complex", "24" = "raw")[[as.character(type)]]
  problem <- if (length(value) != width) {
    sprintf("values must be length %.0f,\n but FUN(X[[%d]]) result is length %d", width, index, length(value))
  } else {
    sprintf("values must be type '%s',\n but FUN(X[[%d]]) result is type '%s'", wanted, index, typeof(value))
  }
  new_condition(c("ValueError", "multiprocessing_error", "error"), problem, index = index, unfit = TRUE)
}

# The same for calls with a `template`
unfit <- function(problem, template) {
  if (!is.vector(template)) {
    return(sprintf("`template` must be a vector such as numeric(1), not %s", describe_value(template)))
  }
  sprintf("a result does not fit `template`, which is %s of length %d: %s", typeof(template), length(template), problem)
}
