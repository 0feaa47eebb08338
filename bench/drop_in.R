# Packages that call package parallel's mclapply() and friends, with ours in their place: the same values and warnings,
# and how long. Pairs of runs, one with each, in turn, so that what else the machine does meets both. Each package runs in
# an R of its own.
#   Rscript bench/drop_in.R [--rounds=8] [names of packages]

jobs <- list(
  phangorn = list(needs = "phangorn", job = quote({
    data(Laurasiatherian, package = "phangorn", envir = environment())
    x <- phangorn:::subset.phyDat(Laurasiatherian, 1:12)
    fit <- phangorn::pml(phangorn::NJ(phangorn::dist.ml(x)), x)
    function() phangorn::bootstrap.pml(fit, bs = 8, optNni = TRUE, multicore = TRUE, mc.cores = 2)
  })),
  batchtools = list(needs = "batchtools", job = quote(function() {
    suppressMessages({
      registry <- batchtools::makeRegistry(NA, make.default = FALSE, seed = 1)
      registry$cluster.functions <- batchtools::makeClusterFunctionsMulticore(2)
      batchtools::batchMap(function(x) sum(sqrt(seq_len(x * 1e5))) + stats::runif(1), 1:8, reg = registry)
      batchtools::submitJobs(reg = registry)
      batchtools::waitForJobs(reg = registry, sleep = 0.005)
      batchtools::reduceResultsList(reg = registry)
    })
  })),
  boot = list(needs = "boot", job = quote({
    ratio <- function(d, w) sum(d$x * w) / sum(d$u * w)
    function() boot::boot(boot::city, ratio, R = 20000, stype = "w", parallel = "multicore", ncpus = 2)$t
  })),
  pbapply = list(needs = "pbapply", job = quote({
    pbapply::pboptions(type = "none")
    function() pbapply::pblapply(1:400, function(i) mean(stats::rnorm(2e4)), cl = 2)
  })),
  `caret, doMC` = list(needs = c("caret", "doMC"), job = quote({
    doMC::registerDoMC(2)
    function() {
      caret::train(
        Species ~ ., iris, method = "knn", tuneLength = 10,
        trControl = caret::trainControl("repeatedcv", repeats = 5, seeds = c(rep(list(1:10), 50), 1))
      )$results
    }
  })),
  pls = list(needs = "pls", job = quote({
    data(gasoline, package = "pls", envir = environment())
    pls::pls.options(parallel = 2)
    function() pls::plsr(octane ~ NIR, 20, data = gasoline, validation = "LOO")$validation$PRESS
  })),
  loo = list(needs = "loo", job = quote({
    likelihoods <- matrix(stats::rnorm(2e6), 2000)
    function() loo::loo(likelihoods, r_eff = rep(1, 1000), cores = 2)$pointwise
  })),
  partykit = list(needs = "partykit", job = quote(function() {
    forest <- partykit::cforest(Species ~ ., iris, ntree = 30, cores = 2)
    stats::predict(forest, type = "prob")
  })),
  future = list(needs = c("future", "future.apply"), job = quote({
    future::plan(future::multicore, workers = 2)
    function() future.apply::future_lapply(1:8, function(i) mean(stats::rnorm(2e5)), future.seed = 1)
  })),
  furrr = list(needs = "furrr", job = quote({
    future::plan(future::multicore, workers = 2)
    function() {
      furrr::future_map(1:8, function(i) mean(stats::rnorm(2e5)), .options = furrr::furrr_options(seed = 1))
    }
  })),
  pbmcapply = list(needs = "pbmcapply", job = quote(function() {
    utils::capture.output(res <- pbmcapply::pbmclapply(1:40, function(i) mean(stats::rnorm(1e5)), mc.cores = 2))
    res
  }))
)

# ---- ours in parallel's place ----------------------------------------------------------------------------------------

names_replaced <- c("mclapply", "mcmapply", "mcMap", "pvec", "mcparallel", "mccollect", "mc.reset.stream")

# future asks for its jobs with an internal function of parallel's, which refuses ours: here it is answered.
select_children <- function(theirs) {
  function(children = NULL, timeout = 0) {
    known <- multiprocessing:::known_jobs()[[as.character(unlist(children)["pid"])]]
    if (is.null(known)) return(theirs(children, timeout))
    if (multiprocessing:::job_poll(list(known), timeout)) known$pid else TRUE
  }
}

replacements <- function() {
  theirs <- mget(c(names_replaced, "selectChildren"), envir = asNamespace("parallel"))
  ours <- c(mget(names_replaced, envir = asNamespace("multiprocessing")), selectChildren = select_children(theirs$selectChildren))
  list(parallel = theirs, multiprocessing = ours)
}

# Where a package looks for them: parallel's namespace, imports, the search path
put_in_place <- function(functions) {
  others <- setdiff(loadedNamespaces(), c("base", "multiprocessing", "parallel"))
  places <- c(
    list(asNamespace("parallel")), lapply(others, function(package) parent.env(asNamespace(package))),
    if ("package:parallel" %in% search()) list(as.environment("package:parallel"))
  )
  for (place in places) {
    for (name in intersect(names(functions), ls(place, all.names = TRUE))) {
      unlockBinding(name, place)
      assign(name, functions[[name]], place)
    }
  }
  for (package in intersect(c("future", "parallelly"), loadedNamespaces())) { # these keep what they have found once
    assign("cache", list(), environment(getFromNamespace("importParallel", package)))
  }
}

# ---- one package -----------------------------------------------------------------------------------------------------

# list(value, warnings, wall, cpu); the processor time is that of the children, too
run_once <- function(job) {
  warnings <- character()
  set.seed(1, "L'Ecuyer-CMRG")
  gc(FALSE)
  multiprocessing:::output_show() # what ended before is reaped, and counted, before
  start <- proc.time()
  value <- withCallingHandlers(job(), warning = function(w) {
    warnings <<- c(warnings, conditionMessage(w))
    invokeRestart("muffleWarning")
  })
  wall <- proc.time()[[3L]] - start[[3L]]
  Sys.sleep(0.05)
  multiprocessing:::output_show()
  list(value = value, warnings = warnings, wall = wall, cpu = sum((proc.time() - start)[-3L]))
}

measure <- function(job, rounds) {
  versions <- replacements()
  run <- lapply(seq_len(rounds + 1L), function(round) {
    both <- list()
    for (side in if (round %% 2L) names(versions) else rev(names(versions))) {
      put_in_place(versions[[side]])
      both[[side]] <- run_once(job)
    }
    both
  })
  first <- run[[1L]] # also warms up
  run <- run[-1L]
  figures <- function(side, what) vapply(run, function(both) both[[side]][[what]], 1)
  ratio <- function(what) stats::median(figures("multiprocessing", what) / figures("parallel", what))
  same <- vapply(c(list(first), run), function(both) {
    isTRUE(all.equal(both$parallel$value, both$multiprocessing$value, tolerance = 0)) &&
      identical(both$parallel$warnings, both$multiprocessing$warnings)
  }, TRUE)
  data.frame(
    parallel = stats::median(figures("parallel", "wall")), ours = stats::median(figures("multiprocessing", "wall")),
    wall = ratio("wall"), cpu = ratio("cpu"), same = all(same)
  )
}

# ---- all of them -----------------------------------------------------------------------------------------------------

arguments <- commandArgs(TRUE)
rounds <- as.integer(c(sub("^--rounds=", "", grep("^--rounds=", arguments, value = TRUE)), 8L)[1L])
one <- sub("^--one=", "", grep("^--one=", arguments, value = TRUE))
if (length(one)) {
  saveRDS(measure(eval(jobs[[one]]$job, new.env()), rounds), sub("^--to=", "", grep("^--to=", arguments, value = TRUE)))
  quit()
}

chosen <- arguments[!startsWith(arguments, "--")]
if (!length(chosen)) chosen <- names(jobs)
if (!nzchar(Sys.getenv("TZ"))) Sys.setenv(TZ = "UTC") # else R asks the system, which may warn
script <- normalizePath(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1L]))
Sys.setenv(R_LIBS = paste(.libPaths(), collapse = .Platform$path.sep))
cat(sprintf("%-14s %10s %10s %8s %8s  %s\n", "", "parallel s", "ours s", "wall", "cpu", "same values and warnings"))
failed <- FALSE
for (name in chosen) {
  lacking <- Filter(function(package) !nzchar(system.file(package = package)), jobs[[name]]$needs)
  if (length(lacking)) {
    cat(sprintf("SKIP %s: needs %s\n", name, toString(lacking)))
    next
  }
  file <- tempfile()
  log <- tempfile()
  what <- c(sprintf("--one=%s", name), sprintf("--to=%s", file), sprintf("--rounds=%d", rounds))
  status <- system2(file.path(R.home("bin"), "Rscript"), c("--vanilla", shQuote(c(script, what))), stdout = log, stderr = log)
  if (status != 0L || !file.exists(file)) {
    cat(sprintf("FAIL %s:\n%s\n", name, paste(utils::tail(readLines(log), 5L), collapse = "\n")))
    failed <- TRUE
    next
  }
  row <- readRDS(file)
  good <- row$same && row$wall <= 1.05
  failed <- failed || !good
  cat(sprintf(
    "%-14s %10.3f %10.3f %8.2f %8.2f  %s\n", name, row$parallel, row$ours, row$wall, row$cpu, if (row$same) "yes" else "NO"
  ))
}
quit(status = if (failed) 1L else 0L)
