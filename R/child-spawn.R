# A fresh R: how it is started (called by the binding), and what it does first.
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
      # inside ours: gone with it, even if the child is killed
      TMPDIR = paste0("TMPDIR=", tempdir())
    )
  )
}

spawned_main <- function() {
  variable <- Sys.getenv("MULTIPROCESSING_SPAWN")
  Sys.unsetenv("TMPDIR")
  what <- list2env(process_spawned(variable)) # one copy, of which worker_main() drops what it needs no more
  main <- switch(what$main,
    process_main = process_main,
    worker_main = worker_main
  )
  code <- main(what)
  quit(save = "no", status = code, runLast = FALSE)
}

# Called when a spawned R has all that its task needs. Until then it starts, and spawns nothing: what its profile or a
# package spawned, each R that it spawned would spawn again.
end_start <- function() Sys.unsetenv("MULTIPROCESSING_SPAWN")

# In an R that was spawned and still starts: its parent, whose name it was not told yet
starting_parent <- function() {
  variable <- Sys.getenv("MULTIPROCESSING_SPAWN")
  if (nzchar(variable)) list(pid = as.integer(sub("^.*:", "", variable)), name = NA_character_)
}
