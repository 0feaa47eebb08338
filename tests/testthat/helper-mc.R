# Runs the same call with package parallel's functions and with ours, and compares everything that a caller can see.

theirs <- function() asNamespace("parallel")

ours <- function() {
  names <- c("mclapply", "mcmapply", "mcMap", "pvec", "mcparallel", "mccollect", "mc.reset.stream", "mcaffinity")
  mget(names, inherits = TRUE)
}

# value, texts of warnings, text of the error, and the caller's random state afterwards
outcome <- function(expr) {
  warnings <- character()
  error <- NULL
  value <- withCallingHandlers(
    tryCatch(expr, error = function(e) {
      error <<- conditionMessage(e)
      NULL
    }),
    warning = function(w) {
      warnings <<- c(warnings, conditionMessage(w))
      invokeRestart("muffleWarning")
    }
  )
  list(value = value, warnings = warnings, error = error, random = get0(".Random.seed", globalenv()))
}

# `call` is a function of the functions to use: function(p) p$mclapply(...). Both runs start from the same random state.
expect_parity <- function(call, kind = "Mersenne-Twister", label = NULL, seed = 42) {
  keep_generator()
  set.seed(seed, kind)
  expected <- outcome(call(theirs()))
  set.seed(seed, kind)
  actual <- outcome(call(ours()))
  testthat::expect_identical(actual, expected, info = label)
  invisible(actual$value)
}

# The caller's generator is as before when `frame` ends
keep_generator <- function(frame = parent.frame()) {
  kind <- RNGkind()
  if (!exists(".Random.seed", globalenv())) set.seed(NULL)
  seed <- get(".Random.seed", globalenv())
  do.call(on.exit, list(bquote({
    suppressWarnings(do.call(RNGkind, as.list(.(kind))))
    assign(".Random.seed", .(seed), envir = globalenv())
  }), add = TRUE), envir = frame)
}

# Checks of packages may use two cores at most
core_counts <- function() {
  if (nzchar(Sys.getenv("_R_CHECK_LIMIT_CORES_"))) 1:2 else 1:3
}

# What mclapply() is documented to give: each element as try() around lapply() over that element alone
each_tried <- function(X, FUN, ...) {
  res <- lapply(seq_along(X), function(k) {
    one <- try(lapply(X[k], FUN, ...), silent = TRUE)
    if (inherits(one, "try-error")) one else one[[1L]]
  })
  names(res) <- names(X)
  res
}

quiet <- function(expr) suppressWarnings(expr)

# What a program prints in an R of its own, which has no profile
in_fresh_r <- function(code, arguments = character()) {
  program <- tempfile(fileext = ".R")
  writeLines(code, program)
  libraries <- paste0("R_LIBS=", paste(.libPaths(), collapse = .Platform$path.sep))
  system2(
    file.path(R.home("bin"), "R"), c("--vanilla", "--no-echo", arguments), stdin = program, stdout = TRUE,
    stderr = FALSE, env = c(libraries, "R_TESTS=")
  )
}
