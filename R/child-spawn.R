# The start method "spawn": a fresh R, which is sent what its main function needs. See child-start-method.R.
spawn_method <- list(
  copies = FALSE,
  prepare = function(main, what, values, globals = TRUE, packages = NULL) {
    force_locals(c(values[[1L]], values[[2L]]))
    page <- if (!isFALSE(globals)) session_page()
    c(list(main = main), what, list(session = page, needs = start_needs(values, globals, packages)))
  }
)

# How it is started; called by the binding
spawn_command <- function() {
  path <- getNamespaceInfo("multiprocessing", "path")
  developed <- tryCatch(
    requireNamespace("pkgload", quietly = TRUE) && pkgload::is_dev_package("multiprocessing"),
    error = function(e) FALSE
  )
  load <- if (developed) {
    sprintf("pkgload::load_all(%s, quiet = TRUE)", deparse(path))
  } else {
    sprintf("loadNamespace(\"multiprocessing\", lib.loc = %s)", deparse(dirname(path)))
  }
  list(
    arguments = c(
      file.path(R.home("bin"), "R"), "--no-echo", "--no-restore", "--no-save", "-e",
      sprintf("{%s; utils::getFromNamespace(\"spawned_main\", \"multiprocessing\")()}", load)
    ),
    environment = c(
      R_TESTS = "R_TESTS=", R_LIBS = paste0("R_LIBS=", paste(.libPaths(), collapse = .Platform$path.sep)),
      # inside ours: removed with it, even if the child is killed
      TMPDIR = paste0("TMPDIR=", tempdir())
    )
  )
}

spawned_main <- function() {
  variable <- Sys.getenv("MULTIPROCESSING_SPAWN")
  Sys.unsetenv("TMPDIR")
  what <- list2env(process_spawned(variable)) # one copy: worker_main() drops what it no longer needs
  code <- get(what$main)(what)
  quit(save = "no", status = code, runLast = FALSE)
}

# Called when a spawned R has loaded all that its task needs. Until then it is starting, and spawns nothing: if its
# profile or a package spawned an R, that one would run the same code and spawn another.
end_start <- function() Sys.unsetenv("MULTIPROCESSING_SPAWN")

# In a spawned R that is still starting: its parent, whose name is not known yet
starting_parent <- function() {
  variable <- Sys.getenv("MULTIPROCESSING_SPAWN")
  if (nzchar(variable)) list(pid = as.integer(sub("^.*:", "", variable)), name = NA_character_)
}
