# What all our objects with methods share.

print_formatted <- function(self) {
  cat(self$format(), "\n", sep = "")
  invisible(self)
}

# "1 message", "2 messages"
counted <- function(n, noun) sprintf("%s %s%s", format(n, big.mark = ",", scientific = FALSE), noun, if (n == 1) "" else "s")

# Without R's search for a method of `$`, which takes longer than the look itself
private_of <- function(self) .subset2(.subset2(self, ".__enclos_env__"), "private")

shorten <- function(items, most = 20L) {
  more <- length(items) - most
  paste0(
    paste(utils::head(items, most), collapse = ", "),
    if (more > 0L) sprintf(" and %d more", more)
  )
}
