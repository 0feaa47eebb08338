# Event, Condition, Semaphore, Barrier and JoinableQueue between two processes; a Value, elements and slices of an Array; a
# Manager's dict; shared memory with a name; a call by an executor. All beside Python.
#   Rscript bench/primitives.R [--rounds=5]

here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1L]))
source(file.path(here, "peers.R"))
source(file.path(here, "engines.R"))
heading("Synchronization, shared values, executors")

Process <- ours("Process")

#' One row of ours, from `run()`, or several; and Python's, from `peer_primitives.py what`.
beside_python <- function(title, what, run, others = list()) {
  compare(title, "us", c(
    list(contestant(OURS, function(state) run(), when = have_ours)),
    others,
    list(contestant("Python", function(state) python_figure("primitives", what), when = has_python()))
  ))
}

#' Seconds per call; there are many tables, so in a short time.
brief <- function(f) time_per(f, total = 0.15)

# ---- from hand to hand ---------------------------------------------------------------------------

#' Seconds for a turn there and back: a child plays `other(n)`, this process `mine(n)`.
hand_over <- function(mine, other, n = 5000L) {
  child <- Process(other, args = list(n))
  child$start()
  on.exit(if (child$is_alive()) child$terminate())
  mine(10L)
  start <- now()
  mine(n - 10L)
  taken <- now() - start
  child$join()
  taken / (n - 10L)
}

event_turn <- function() {
  ping <- ours("Event")()
  pong <- ours("Event")()
  hand_over(function(n) for (i in seq_len(n)) {
    ping$set()
    pong$wait()
    pong$clear()
  }, function(n) for (i in seq_len(n)) {
    ping$wait()
    ping$clear()
    pong$set()
  })
}

semaphore_turn <- function() {
  ping <- ours("Semaphore")(0)
  pong <- ours("Semaphore")(0)
  hand_over(function(n) for (i in seq_len(n)) {
    ping$release()
    pong$acquire()
  }, function(n) for (i in seq_len(n)) {
    ping$acquire()
    pong$release()
  })
}

condition_turn <- function() {
  turn <- ours("Condition")()
  whose <- ours("Value")("integer", 0, lock = FALSE)
  play <- function(me) {
    function(n) for (i in seq_len(n)) {
      with(turn, {
        while (whose$value != me) turn$wait()
        whose$value <- 1L - me
        turn$notify()
      })
    }
  }
  hand_over(play(0L), play(1L))
}

barrier_turn <- function() {
  both <- ours("Barrier")(2)
  go <- function(n) for (i in seq_len(n)) both$wait()
  hand_over(go, go)
}

#' A child puts, this process gets and marks as done, and waits at the end until all is.
joinable_item <- function() {
  q <- ours("JoinableQueue")()
  per_item <- hand_over(function(n) for (i in seq_len(n)) {
    q$get()
    q$task_done()
  }, function(n) for (i in seq_len(n)) q$put(1), n = 20000L)
  q$join()
  per_item
}

free_semaphore <- function() {
  s <- ours("Semaphore")(1)
  brief(function() {
    s$acquire()
    s$release()
  })
}

beside_python("Event, there and back", "event", event_turn)
beside_python("Condition, a turn each", "condition", condition_turn)
beside_python("Semaphore acquire + release, free", "semaphore_free", free_semaphore)
beside_python("Semaphore, there and back", "semaphore", semaphore_turn)
beside_python("Barrier of two, a round", "barrier", barrier_turn)
beside_python("JoinableQueue, 1 producer 1 consumer, get + task_done, per item", "joinable", joinable_item)

# ---- values that all see -------------------------------------------------------------------------

beside_python("Value, read", "value_get", function() {
  v <- ours("Value")("double", 0)
  brief(function() v$value)
})
beside_python("Value, write", "value_set", function() {
  v <- ours("Value")("double", 0)
  brief(function() v$value <- 1)
})
beside_python("Array, read one element", "element_get", function() {
  a <- ours("Array")("double", 1000)
  brief(function() a[6])
})
beside_python("Array, write one element", "element_set", function() {
  a <- ours("Array")("double", 1000)
  brief(function() a[5] <- 1)
})
whole <- contestant("ours, all at once: a[]", when = have_ours, run = function(state) {
  a <- ours("Array")("double", 1000)
  brief(function() a[])
})
beside_python("Array, read a slice of 1,000", "slice_get", others = list(whole), run = function() {
  a <- ours("Array")("double", 2000)
  brief(function() a[501:1500])
})
beside_python("Array, write a slice of 1,000", "slice_set", function() {
  a <- ours("Array")("double", 2000)
  x <- sqrt(1:1000)
  brief(function() a[501:1500] <- x)
})

with_dict <- function(use) {
  d <- ours("Manager")()$dict(k = 1)
  use(d)
}
get <- beside_python("Manager dict, read a key", "get", function() {
  with_dict(function(d) brief(function() d[["k"]]))
})
must_be(get, at_most = 3e-6)
set <- beside_python("Manager dict, write a key", "set", function() {
  with_dict(function(d) brief(function() d[["k"]] <- 1))
})
must_be(set, at_most = 3e-6)

with_memory <- function(use) {
  shm <- ours("SharedMemory")(create = TRUE, size = 2^20)
  on.exit({
    shm$close()
    shm$unlink()
  })
  bytes <- as.raw(rep(0:255, length.out = 2^20))
  bytes_of <- shm$buf
  bytes_of[] <- bytes
  stopifnot(identical(bytes_of[], bytes))
  use(bytes_of, bytes)
}
beside_python("SharedMemory, read 1 MB", "memory_get", function() {
  with_memory(function(there, bytes) brief(function() there[]))
})
beside_python("SharedMemory, write 1 MB", "memory_set", function() {
  with_memory(function(there, bytes) brief(function() there[] <- bytes))
})

# ---- executors -----------------------------------------------------------------------------------

our_executor <- engine(
  function() ours("ProcessPoolExecutor")(1L),
  function(executor) executor$shutdown(),
  when = have_ours
)
f <- compiler::cmpfun(function(x) x)

one <- compare("a call by an executor of one worker: submit and result", "us", list(
  on(our_executor, OURS, function(executor) time_per(function() executor$submit(f, 1)$result())),
  on(our_pool(1L), "ours, Pool$apply", function(p) time_per(function() p$apply(f, list(1)))),
  contestant("Python", function(state) python_figure("primitives", "submit"), when = has_python())
))
must_be(one, peer = "ours, Pool$apply", ratio = 1.1)

#' Seconds per call, of 1,000 that are submitted before the first result is asked for.
thousand <- function(submit, result) {
  n <- 1000L
  brief(function() {
    futures <- lapply(seq_len(n), submit)
    for (future in futures) result(future)
  }) / n
}
compare("1,000 submits, then their results, per call", "us", list(
  on(our_executor, OURS, function(executor) {
    thousand(function(i) executor$submit(f, i), function(future) future$result())
  }),
  on(our_pool(1L), "ours, Pool$apply_async", function(p) {
    thousand(function(i) p$apply_async(f, list(i)), function(later) later$get())
  }),
  contestant("Python", function(state) python_figure("primitives", "submits"), when = has_python())
))

finish()
