# What is in the session's shared memory, and how it prints.

#' @rdname share
#' @export
memory_usage <- function() {
  blocks <- memory_blocks()
  blocks$creator[blocks$creator == 0L] <- NA
  blocks$holders <- I(lapply(blocks$holders, unique)) # a starting fork holds what its parent holds, under one pid
  structure(as.data.frame(blocks, stringsAsFactors = FALSE), class = c("memory_usage", "data.frame"))
}

#' @export
print.memory_usage <- function(x, ...) {
  if (!all(c("id", "kind", "bytes", "holders", "references") %in% names(x))) {
    return(NextMethod()) # a part of it
  }
  cat(sprintf("<shared memory: %s in %s>\n", human_size(sum(x$bytes)), counted(nrow(x), "block")))
  if (nrow(x)) {
    print(data.frame(
      id = x$id, kind = x$kind, size = vapply(x$bytes, human_size, ""), references = x$references,
      holders = vapply(x$holders, shorten, "", most = 6L)
    ), row.names = FALSE)
    totals <- tapply(x$bytes, x$kind, sum)
    cat("by kind: ", paste(names(totals), vapply(totals, human_size, ""), collapse = ", "), "\n", sep = "")
    pids <- sort(unique(unlist(x$holders)))
    roles <- vapply(pids, process_role, "", usage = x)
    cat("processes: ", shorten(sprintf("%d %s", pids, roles)), "\n", sep = "")
  }
  invisible(x)
}

# The role of a process, as far as this one knows it
process_role <- function(pid, usage = memory_usage()) {
  if (pid == Sys.getpid()) {
    return(sprintf("(this process, %s)", session$name))
  }
  if (!is.null(session$parent) && pid == session$parent$pid) {
    return(sprintf("(%s)", session$parent$name))
  }
  for (p in own_processes()) if (identical(p$pid, pid)) {
    return(sprintf("(%s)", p$name))
  }
  pools <- usage$kind == "pool" & vapply(usage$holders, function(holders) pid %in% holders, TRUE)
  if (any(pools & !usage$creator %in% pid)) "(a pool's worker)" else "(another process)"
}

human_size <- function(bytes) {
  units <- c("B", "kB", "MB", "GB", "TB")
  power <- if (bytes < 1000) 0L else min(4L, floor(log(bytes, 1000)))
  value <- bytes / 1000^power
  sprintf(if (power == 0L || value >= 100) "%.0f %s" else "%.1f %s", value, units[power + 1L])
}
