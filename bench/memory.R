# Peak memory of the session and its workers, for 4 results of 100 MB and for a matrix of 400 MB
# read by 4 tasks. Each contestant runs in a fresh session; this one is the sampler and reads /proc.
#   Rscript bench/memory.R [--rounds=3]

here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1L]))
source(file.path(here, "peers.R"))
source(file.path(here, "engines.R"))

# ---- in the fresh session: the work --------------------------------------------------------------

#' Calls `call` and writes down from when to when. Its value is held for a moment, for the sampler.
marked <- function(call) {
  invisible(gc())
  start <- now()
  value <- call()
  Sys.sleep(0.5)
  part <- paste0(option("times"), ".part")
  writeLines(sprintf("%.6f", c(start, now())), part)
  file.rename(part, option("times"))
}

big <- compiler::cmpfun(function(i) sqrt(seq_len(12500000)) + i)
read_it <- compiler::cmpfun(function(i, m) sum(m) + i)
make_matrix <- function() matrix(as.double(seq_len(5e7)), ncol = 4L)

results <- list(
  on(our_pool(2L), OURS, function(p) marked(function() p$map(big, 1:4))),
  on(our_pool(2L), "ours, template", function(p) {
    marked(function() p$map(big, 1:4, template = numeric(12500000)))
  }),
  contestant("ours, mclapply", when = have_mclapply, run = function(state) {
    marked(function() our_mclapply(1:4, big, mc.cores = 2L))
  }),
  contestant("lapply", function(state) marked(function() lapply(1:4, big))),
  contestant("bettermc", when = has("bettermc"), run = function(state) {
    marked(function() bettermc::mclapply(1:4, big, mc.cores = 2L, mc.progress = FALSE))
  }),
  contestant("mclapply", when = unix, run = function(state) {
    marked(function() parallel::mclapply(1:4, big, mc.cores = 2L))
  }),
  on(psock(2L), "PSOCK", function(cl) marked(function() parallel::parLapply(cl, 1:4, big))),
  on(daemons(2L), "mirai_map", function(state) marked(function() mirai::mirai_map(1:4, big)[])),
  on(futures(2L), "future_lapply", function(cl) {
    marked(function() future.apply::future_lapply(1:4, big))
  }),
  on(bioc(2L), "BiocParallel", function(param) {
    marked(function() BiocParallel::bplapply(1:4, big, BPPARAM = param))
  })
)

#' Four tasks read a matrix that the session holds already.
reading <- function(map_it, place = identity) {
  m <- place(make_matrix())
  marked(function() map_it(m))
}

inputs <- list(
  on(our_pool(2L), OURS, function(p) {
    reading(function(m) p$map(read_it, 1:4, args = list(m)))
  }),
  on(our_pool(2L), "ours, share()d", function(p) {
    reading(function(m) p$map(read_it, 1:4, args = list(m)), ours("share"))
  }),
  contestant("ours, mclapply", when = have_mclapply, run = function(state) {
    reading(function(m) our_mclapply(1:4, read_it, m, mc.cores = 2L))
  }),
  contestant("lapply", function(state) reading(function(m) lapply(1:4, read_it, m))),
  contestant("mclapply", when = unix, run = function(state) {
    reading(function(m) parallel::mclapply(1:4, read_it, m, mc.cores = 2L))
  }),
  on(psock(2L), "PSOCK", function(cl) {
    reading(function(m) parallel::parLapply(cl, 1:4, read_it, m))
  }),
  on(daemons(2L), "mirai_map", function(state) {
    reading(function(m) mirai::mirai_map(1:4, read_it, .args = list(m = m))[])
  }),
  on(futures(2L), "future_lapply", function(cl) {
    reading(function(m) future.apply::future_lapply(1:4, read_it, m))
  }),
  on(bioc(2L), "BiocParallel", function(param) {
    reading(function(m) BiocParallel::bplapply(1:4, read_it, m, BPPARAM = param))
  })
)

works <- list(results = results, inputs = inputs)
if (length(option("work"))) {
  one <- Filter(function(one) one$name == option("who"), works[[option("work")]])[[1L]]
  measure(one)
  quit(status = 0L)
}

# ---- in this session: the sampler ----------------------------------------------------------------

processes <- function() list.files("/proc", "^[0-9]+$")

#' The processes whose environment has this mark: a session and all that came of it, orphans too.
#' What has no mark yet may get it when it starts its program; those in `others` never do.
family <- function(mark, known, others) {
  pids <- setdiff(processes(), others)
  marked <- vapply(setdiff(pids, known), function(pid) {
    environ <- tryCatch(
      suppressWarnings(readBin(file.path("/proc", pid, "environ"), "raw", 1e5)),
      error = function(e) raw()
    )
    length(grepRaw(mark, environ, fixed = TRUE)) > 0L
  }, NA)
  c(intersect(known, pids), names(which(marked)))
}

#' Proportional set size of a process, {own, shared} bytes; 0 where there is none any more.
pss <- function(pid) {
  file <- file.path("/proc", pid, "smaps_rollup")
  lines <- tryCatch(suppressWarnings(readLines(file)), error = function(e) character())
  bytes <- function(keys) {
    1024 * sum(as.numeric(gsub("\\D", "", lines[sub(":.*", "", lines) %in% keys])))
  }
  c(own = bytes(c("Pss_Anon", "Pss_File")), shared = bytes("Pss_Shmem"))
}

#' Bytes of the anonymous and named shared files that these processes have open, or that lie in
#' /dev/shm: each once, with the pages that no process maps.
older <- list.files("/dev/shm", full.names = TRUE, recursive = TRUE) # what others left there
shared_files <- function(pids) {
  folders <- file.path("/proc", pids, "fd")
  open <- as.character(unlist(lapply(folders, list.files, full.names = TRUE)))
  files <- open[grepl("^/(memfd:|dev/shm/)", Sys.readlink(open))]
  files <- c(files, setdiff(list.files("/dev/shm", full.names = TRUE, recursive = TRUE), older))
  if (!length(files)) return(0)
  stat <- c("-L", "-c", shQuote("%d:%i %b"), shQuote(files))
  blocks <- suppressWarnings(system2("stat", stat, stdout = TRUE, stderr = FALSE))
  once <- !duplicated(sub(" .*", "", blocks))
  512 * sum(as.numeric(sub(".* ", "", blocks[once])))
}

#' What a family holds. Pss divides a page among the processes that map it, and leaves out pages of shared
#' memory that no process maps at the moment: those are counted in their files.
held_by <- function(pids, files_before) {
  each <- vapply(pids, pss, c(own = 0, shared = 0))
  files <- shared_files(pids) - files_before
  sum(each["own", ]) + max(sum(each["shared", ]), files)
}

#' The most that the family of a fresh session held while it did the work, in bytes. The command
#' `start(times)` is that session; it writes into the file `times` from when to when it worked.
peak_of <- function(start) {
  times <- tempfile()
  mark <- paste0("BENCH_FAMILY=", basename(times))
  known <- character()
  others <- processes()
  when <- held <- numeric()
  files_before <- shared_files(character())
  command <- start(times)
  system2(command[1L], shQuote(command[-1L]), env = mark, wait = FALSE, stdout = FALSE, stderr = FALSE)
  end <- now() + 120
  while (!file.exists(times) && now() < end) {
    known <- family(mark, known, others)
    when <- c(when, now())
    held <- c(held, held_by(known, files_before))
  }
  span <- as.numeric(readLines(times))
  end <- now() + 20
  while (length(family(mark, character(), others)) && now() < end) Sys.sleep(0.05)
  max(held[when >= span[1L] & when <= span[2L]])
}

watched <- function(work) {
  session <- function(one) {
    start <- function(times) {
      told <- paste0(c("--work=", "--who=", "--times="), c(work, one$name, times))
      c(file.path(R.home("bin"), "Rscript"), "--vanilla", this_script(), told)
    }
    contestant(one$name, function(state) peak_of(start), when = one$when)
  }
  in_python <- function(times) c("env", python_env, python(), file.path(bench_dir(), "peer_large.py"), work, times)
  c(
    lapply(works[[work]], session),
    list(contestant("Python (fork)", function(state) peak_of(in_python), when = has_python()))
  )
}

heading("Peak memory")
if (!file.exists("/proc/self/smaps_rollup")) {
  verdict("SKIP", "peak memory", "/proc/PID/smaps_rollup is not here")
  finish()
}
Sys.setenv(R_LIBS = paste(.libPaths(), collapse = .Platform$path.sep))
laps <- asked_rounds(3L)
of <- "peak memory (proportional set size), session and 2 workers: "
results <- compare(paste0(of, "4 results of 100 MB"), "MB", watched("results"), laps)
must_be(results, peer = "bettermc", ratio = 1)
must_be(results, peer = "Python (fork)", ratio = 1.1)
compare(paste0(of, "400 MB read by 4 tasks"), "MB", watched("inputs"), laps)
finish()
