# A worker that fails while it reads the arguments, in the call, while it writes the result, or after that: what the future
# says, how soon, and that the executor stays usable.

ways_to_fail <- list(
  error = list(f = function() stop("no"), class = "TaskError", text = "no"),
  quit = list(f = function() quit(status = 0), class = "WorkerDiedError", text = "exit code 0"),
  killed = list(f = function() tools::pskill(Sys.getpid(), 9L), class = "WorkerDiedError", text = "SIGKILL"),
  crashed = list(f = function() tools::pskill(Sys.getpid(), 11L), class = "WorkerDiedError", text = "SIGSEGV")
)
for (way in names(ways_to_fail)) environment(ways_to_fail[[way]]$f) <- globalenv()

# Each gives what fails: a function that submits it. `after` fails in what the call has left behind, when the next call collects it
stages <- list(
  reading = function(executor, f) executor$submit(function(e) e$x + 0L, staged(NULL, f)),
  calling = function(executor, f) executor$submit(f),
  writing = function(executor, f) executor$submit(staged, f, NULL)
)

for (method in get_all_start_methods()) {
  test_that(paste("a worker that fails costs one future, at each stage, by each way, within a second:", method), {
    library <- local_stages()
    dyn.load(library)
    on.exit(dyn.unload(library))
    executor <- ProcessPoolExecutor(1, initializer = function(library) dyn.load(library), initargs = list(library), context = method)
    executor$submit(identity, 0)$result(timeout = 60)
    seconds <- numeric()
    for (stage in names(stages)) {
      for (way in names(ways_to_fail)) {
        case <- ways_to_fail[[way]]
        begun <- now()
        future <- stages[[stage]](executor, case$f)
        behind <- executor$submit(identity, 1)
        error <- future$exception(timeout = 60)
        seconds <- c(seconds, now() - begun)
        expect_s3_class(error, case$class)
        expect_match(conditionMessage(error), case$text, label = paste(way, "while", stage))
        expect_identical(behind$result(timeout = 60), 1, label = paste("the call behind", way, "while", stage))
      }
    }
    expect_lte(max(seconds), if (soaking()) 1 else 30)
    executor$shutdown()
  })

  test_that(paste("a worker that fails after its result costs the result nothing, by each way:", method), {
    executor <- ProcessPoolExecutor(1, context = method)
    for (way in names(ways_to_fail)) {
      case <- ways_to_fail[[way]]
      # what the call has left fails when the next one collects it
      future <- executor$submit(function(f) {
        reg.finalizer(new.env(), function(e) f())
        "value"
      }, case$f)
      expect_identical(future$result(timeout = 60), "value")
      begun <- now()
      error <- executor$submit(function() {
        gc()
        "collected"
      })$exception(timeout = 60)
      expect_lte(now() - begun, if (soaking()) 1 else 30)
      # R itself reports an error of a finalizer and continues
      if (way == "error") expect_null(error) else expect_s3_class(error, case$class)
      expect_identical(future$result(), "value")
      expect_identical(executor$submit(identity, 1)$result(timeout = 60), 1)
    }
    executor$shutdown()
  })
}

test_that("a worker that ends as it reads the arguments costs one future", {
  library <- library_of_crashy()
  for (way in c("quit('no', 0)", "tools::pskill(Sys.getpid(), 9)", "tools::pskill(Sys.getpid(), 11)")) {
    f <- crashing_function(library, way)
    for (method in get_all_start_methods()) {
      executor <- ProcessPoolExecutor(1, context = method)
      error <- executor$submit(function(g) g(1), f)$exception(timeout = 60)
      expect_s3_class(error, "WorkerDiedError")
      expect_identical(executor$submit(sum, 1, 2)$result(timeout = 60), 3)
      executor$shutdown()
    }
  }
})
