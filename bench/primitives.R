# Event, Condition, Semaphore and Barrier between two processes; elements and slices of an Array; a Manager's dict.
#   Rscript bench/primitives.R [--rounds=5]

here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1L]))
source(file.path(here, "peers.R"))
source(file.path(here, "engines.R"))
heading("Events, conditions, semaphores, barriers, arrays, dictionaries")

Process <- ours("Process")

#' Seconds for a turn there and back: a child plays `other(n)`, this process `mine(n)`.
hand_over <- function(mine, other, n = 5000L) {
  child <- Process(other, args = list(n))
  child$start()
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

beside_python <- function(title, what, run) {
  compare(title, "us", list(
    contestant(OURS, function(state) run(), when = have_ours),
    contestant("Python", function(state) python_figure("primitives", what), when = has_python())
  ))
}

beside_python("Event, there and back", "event", event_turn)
beside_python("Semaphore, there and back", "semaphore", semaphore_turn)
beside_python("Condition, a turn each", "condition", condition_turn)
beside_python("Barrier of two, a round", "barrier", barrier_turn)

beside_python("Array, read one element and write one", "element", function() {
  a <- ours("Array")("double", 1000)
  time_per(function() a[5] <- a[6])
})
beside_python("Array, read and write 1,000 elements", "slice", function() {
  a <- ours("Array")("double", 1000)
  time_per(function() a[] <- a[])
})

with_dict <- function(use) {
  d <- ours("Manager")()$dict(k = 1)
  use(d)
}
get <- beside_python("Manager dict, read a key", "get", function() with_dict(function(d) time_per(function() d[["k"]])))
set <- beside_python("Manager dict, write a key", "set", function() {
  with_dict(function(d) time_per(function() d[["k"]] <- 1))
})
must_be(get, at_most = 3e-6)
must_be(set, at_most = 3e-6)

finish()
