# What all our R6 objects share.

print_formatted <- function(self) {
  cat(self$format(), "\n", sep = "")
  invisible(self)
}

private_of <- function(self) self$.__enclos_env__$private
