# Locks and messages: a free lock, a queue of small and of large items, a pipe there and back.
#   Rscript bench/sync.R [--rounds=5]

here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1L]))
source(file.path(here, "peers.R"))
source(file.path(here, "engines.R"))
heading("Locks and messages")

Lock <- ours("Lock")
Queue <- ours("Queue")
Pipe <- ours("Pipe")
Process <- ours("Process")

# ---- the core alone, without R -------------------------------------------------------------------

#' The program of core.cpp, built into a temporary folder; NULL where that is not possible.
build_core <- function() {
  r <- file.path(R.home("bin"), "R")
  compiler <- suppressWarnings(system2(r, c("CMD", "config", "CXX17"), stdout = TRUE, stderr = FALSE))
  source_dir <- file.path(here, "..", "src", "core")
  if (!is.null(attr(compiler, "status")) || !dir.exists(source_dir)) return(NULL)
  program <- file.path(tempdir(), "core")
  files <- c(file.path(here, "core.cpp"), list.files(file.path(source_dir, c("", "platform/linux")), "[.]cpp$", full.names = TRUE))
  flags <- c("-std=c++17 -O2 -pthread -I", shQuote(source_dir), "-I", shQuote(dirname(source_dir)), "-o", shQuote(program))
  failed <- system(paste(c(compiler, flags, shQuote(files)), collapse = " "))
  if (failed) NULL else program
}
core <- build_core()
core_figure <- function(what) as.numeric(system2(core, what, stdout = TRUE))

# ---- a free lock ---------------------------------------------------------------------------------

empty_class <- function() {
  methods <- list(acquire = function() TRUE, release = function() TRUE)
  R6::R6Class("empty", cloneable = FALSE, public = methods)$new()
}
acquire_release <- function(lock) {
  time_per(function() {
    lock$acquire()
    lock$release()
  })
}

free <- compare("Lock acquire + release, free", "us", list(
  contestant(OURS, function(state) acquire_release(Lock()), when = have_ours),
  contestant("ours, methods taken once", when = have_ours, run = function(state) {
    lock <- Lock()
    acquire <- lock$acquire
    release <- lock$release
    time_per(function() {
      acquire()
      release()
    })
  }),
  contestant("our core, from C++", function(state) core_figure("lock"), when = !is.null(core)),
  contestant("Python Lock", function(state) python_figure("sync", "lock"), when = has_python()),
  on(
    engine(function() interprocess::mutex(), function(m) m$remove(), when = has("interprocess")),
    "interprocess mutex",
    function(m) {
      time_per(function() {
        m$lock()
        m$unlock()
      })
    }
  ),
  contestant("two empty R6 calls", function(state) acquire_release(empty_class()), when = has("R6")),
  contestant("two `$` of an object with a class, no call", function(state) {
    object <- structure(list2env(list(acquire = NULL, release = NULL)), class = "lock")
    time_per(function() {
      object$acquire
      object$release
    })
  })
))
must_be(free, at_most = 1.5e-6)
must_be(free, at_most = 20e-9, who = "our core, from C++")

# ---- one producer, one consumer ------------------------------------------------------------------

#' Seconds per item: a child puts `n` of them once it is told to, this process gets them all.
through_our_queue <- function(item, n) {
  q <- Queue()
  ready <- Queue()
  go <- Queue()
  child <- Process(function(q, ready, go, item, n) {
    ready$put(TRUE)
    go$get()
    for (i in seq_len(n)) q$put(item)
  }, args = list(q, ready, go, item, n))
  child$start()
  ready$get()
  start <- now()
  go$put(TRUE)
  for (i in seq_len(n)) last <- q$get()
  taken <- now() - start
  child$join()
  stopifnot(identical(last, item))
  taken / n
}

through_interprocess <- function(n) {
  q <- interprocess::msg_queue(max_count = 1000L)
  on.exit(q$remove())
  start <- now()
  child <- parallel::mcparallel({
    for (i in seq_len(n)) q$send("1")
    TRUE
  })
  for (i in seq_len(n)) q$receive()
  taken <- now() - start
  parallel::mccollect(child)
  taken / n
}

small <- compare("Queue, 1 producer 1 consumer, small items, per item", "us", list(
  contestant(OURS, function(state) through_our_queue(1, 100000L), when = have_ours),
  contestant("our core, from C++", function(state) core_figure("queue"), when = !is.null(core)),
  contestant("Python Queue", when = has_python(), run = function(state) {
    python_figure("sync", "queue", 30000)
  }),
  contestant("interprocess (strings)", when = has("interprocess") && unix, run = function(state) {
    through_interprocess(20000L)
  })
))
must_be(small, at_most = 1.5e-6)

megabyte <- 2^20
gb_per_s <- function(seconds) megabyte / seconds / 1e9
large <- compare("Queue, 1 MB items", "GB/s", list(
  contestant(OURS, when = have_ours, run = function(state) {
    gb_per_s(through_our_queue(raw(megabyte), 1000L))
  }),
  contestant("ours, doubles", when = have_ours, run = function(state) {
    gb_per_s(through_our_queue(sqrt(seq_len(megabyte / 8)), 1000L))
  }),
  contestant("Python Queue", when = has_python(), run = function(state) {
    gb_per_s(python_figure("sync", "queue_mb", 500))
  })
))
must_be(large, at_least = 3)

# ---- there and back ------------------------------------------------------------------------------

#' A child that sends back whatever it is sent, until that is NULL.
our_echo <- engine(
  function() {
    ends <- Pipe()
    child <- Process(function(end) {
      while (!is.null(x <- end$recv())) end$send(x)
    }, args = list(ends[[2L]]))
    child$start()
    list(end = ends[[1L]], child = child)
  },
  function(state) {
    state$end$send(NULL)
    state$child$join()
  },
  when = have_ours
)
echo <- compare("Pipe there and back", "us", list(
  on(our_echo, OURS, function(state) {
    end <- state$end
    time_per(function() {
      end$send(1)
      end$recv()
    })
  }),
  contestant("our core, from C++", function(state) core_figure("echo"), when = !is.null(core)),
  contestant("Python Pipe", function(state) python_figure("sync", "pipe"), when = has_python())
))
must_be(echo, at_most = 5e-6)

finish()
