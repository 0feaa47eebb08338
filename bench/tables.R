# The tables of bench/README.md: what a script measured, in place of what stands under its heading. peers.R uses it.

#' The row of one comparison: ours, the others with the ratio of ours to each, and what was promised.
table_row <- function(result, verdicts) {
  middle <- medians(result)
  shown <- setNames(show_figure(middle, result$unit), names(middle))
  mine <- is_ours(names(middle))
  if (!any(mine)) mine <- rep(TRUE, length(middle)) # nothing but ours is measured, several ways
  if (OURS %in% names(middle)) {
    ends <- range(result$figures[[OURS]], na.rm = TRUE)
    of_ours <- sprintf("%s (%s)", shown[[OURS]], paste(show_figure(ends, result$unit), collapse = " .. "))
  } else {
    of_ours <- character()
  }
  more <- setdiff(names(middle)[mine], OURS)
  of_others <- vapply(names(middle)[!mine], function(name) {
    ratio <- if (OURS %in% names(middle)) middle[[OURS]] / middle[[name]] else NA
    paste0(name, " ", shown[[name]], if (is.finite(ratio)) sprintf(" (%s)", trimws(formatC(ratio, digits = 3, format = "fg"))))
  }, "")
  promised <- vapply(Filter(function(v) v$what == result$work, verdicts), `[[`, "", "short")
  c(
    result$work, paste(c(of_ours, paste(more, shown[more])), collapse = "; "), paste(of_others, collapse = ", "),
    if (length(promised)) paste(promised, collapse = "; ") else "-"
  )
}

#' A script's section as lines: where and when, the picture, one row for each comparison, then verdicts about something else.
section <- function(script, results, verdicts, folder) {
  works <- vapply(results, `[[`, "", "work")
  rows <- lapply(results, table_row, verdicts)
  apart <- Filter(function(v) !v$what %in% works, verdicts)
  rows <- c(rows, lapply(apart, function(v) c(v$what, v$said, "", bold(v$word))))
  cells <- vapply(rows, function(row) paste0("| ", paste(ifelse(nzchar(row), row, "-"), collapse = " | "), " |"), "")
  busy <- unlist(lapply(results, `[[`, "busy"))
  busy <- busy[!is.na(busy)]
  quiet <- if (length(busy)) sprintf("Before the rounds other work kept the cores busy for %.0f %% (median; at most %.0f %%).",
    100 * stats::median(busy), 100 * max(busy))
  picture <- file.path("plots", sub("[.]R$", ".png", script)) # beside the page
  c(
    paste("###", script), "",
    strwrap(paste0(format(Sys.Date()), ", ", machine(), ", ", paste(versions(), collapse = ", "), ". ", quiet), 130), "",
    if (file.exists(file.path(folder, picture))) c(sprintf("![%s](%s)", sub("[.]R$", "", script), picture), ""),
    "| work | ours (range) | others, and ours / it | promise |", "|---|---|---|---|", cells, ""
  )
}

machine <- function() {
  said <- if (file.exists("/proc/cpuinfo")) grep("^model name", readLines("/proc/cpuinfo"), value = TRUE)
  paste0(parallel::detectCores(), " cores", if (length(said)) sprintf(" (%s)", trimws(sub(".*:", "", said[1L]))))
}

#' Replaces the section of this script in `file`, or adds it at the end; creates the file if there is none.
save_tables <- function(file, results, verdicts, script) {
  if (is_kept(file, results)) return(invisible())
  lines <- if (file.exists(file)) readLines(file, encoding = "UTF-8") else character()
  start <- match(paste("###", script), lines)
  new <- section(script, results, verdicts, dirname(file))
  if (is.na(start)) {
    lines <- c(lines, if (length(lines) && nzchar(lines[length(lines)])) "", new)
  } else {
    later <- grep("^##", lines)
    end <- c(later[later > start], length(lines) + 1L)[1L]
    lines <- c(lines[seq_len(start - 1L)], new, lines[seq_along(lines) >= end])
  }
  while (!nzchar(lines[length(lines)])) lines <- lines[-length(lines)]
  writeLines(lines, file, useBytes = TRUE)
}
