# An owner is killed: the next process proceeds at once, and what is shared is whole. `make soak` kills ten thousand.

# Each case: `hold(mark)` is what the child does, `mark()` says that it is in the midst of it; `proceed()` is what the next process
# does; `check()` looks at what is left.
held <- function(lock, hold) {
  list(hold = hold, proceed = function() expect_true(suppressWarnings(lock$acquire(timeout = 60))), check = function() lock$release())
}

stay <- function(mark) {
  mark()
  Sys.sleep(600)
}

cases_of_owners <- function() {
  lock <- Lock()
  rlock <- RLock()
  semaphore <- Semaphore(1)
  condition <- Condition()
  barrier <- Barrier(3) # the third never comes
  queue <- Queue()
  tasks <- JoinableQueue()
  dict <- Manager()$dict(n = 0, other = 1)
  last <- 0
  list(
    Lock = held(lock, function(mark) {
      lock$acquire()
      stay(mark)
    }),
    RLock = held(rlock, function(mark) {
      rlock$acquire()
      rlock$acquire()
      stay(mark)
    }),
    Semaphore = list(
      hold = function(mark) with(semaphore, stay(mark)),
      proceed = function() expect_true(semaphore$acquire(timeout = 60)),
      check = function() {
        semaphore$release()
        expect_identical(semaphore$get_value(), 1)
      }
    ),
    Condition = held(condition, function(mark) with(condition, stay(mark))),
    Barrier = list(
      hold = function(mark) {
        mark()
        barrier$wait()
      },
      ready = function() barrier$n_waiting == 1L,
      proceed = function() expect_classed_error(barrier$wait(60), "BrokenBarrierError"),
      check = function() barrier$reset()
    ),
    Queue = list(
      hold = function(mark) {
        mark()
        i <- 0
        repeat queue$put(i <- i + 1)
      },
      ready = function() queue$qsize() > 5,
      proceed = function() queue$put("mine"),
      check = function() {
        got <- list()
        while (!queue$empty()) got <- c(got, queue$get())
        expect_identical(got, c(as.list(as.numeric(seq_len(length(got) - 1L))), "mine"))
      }
    ),
    JoinableQueue = list(
      before = function() tasks$put("task"),
      hold = function(mark) {
        tasks$get()
        stay(mark)
      },
      proceed = function() expect_classed_error(tasks$join(), "WorkerDiedError"),
      check = function() tasks$join()
    ),
    dict = list(
      hold = function(mark) {
        mark()
        repeat {
          dict$modify("n", function(old) old + 1)
          dict[["other"]] <- dict[["n"]]
        }
      },
      ready = function() dict[["n"]] > last + 5,
      proceed = function() dict$modify("n", function(old) old + 1),
      check = function() {
        n <- dict[["n"]]
        expect_gt(n, last)
        expect_true(dict[["other"]] %in% (n - 0:3))
        expect_setequal(dict$keys(), c("n", "other"))
        last <<- n
      }
    )
  )
}

test_that("whatever the owner held when it was killed, the next process proceeds", {
  cases <- cases_of_owners()
  in_midst <- Value("integer", 0, lock = FALSE)
  each <- rounds(1250, 13)
  blocks <- heap_blocks()
  for (name in names(cases)) {
    case <- cases[[name]]
    seconds <- numeric(each)
    for (round in seq_len(each)) {
      if (!is.null(case$before)) case$before()
      in_midst$value <- 0L
      owner <- Process(function() case$hold(function() in_midst$value <- 1L))
      owner$start()
      expect_true(wait_until(function() in_midst$value == 1L && (is.null(case$ready) || case$ready()), 60))
      kill_9(owner$pid)
      killed <- now()
      case$proceed()
      seconds[round] <- now() - killed
      owner$join(60)
      case$check()
    }
    if (soaking()) {
      message(sprintf("%s: %d kills, median %.2f ms, worst %.1f ms", name, each, 1000 * stats::median(seconds), 1000 * max(seconds)))
      expect_lte(stats::median(seconds), 0.01)
      expect_lte(max(seconds), 0.1)
    }
    expect_lte(max(seconds), 30)
  }
  expect_sound_heap()
})

# What a model says of random operations on a dict, in one process that owns its keys
random_operations <- function(dict, mine, n, seed, done = function(i) NULL) {
  set.seed(seed)
  model <- list()
  for (i in seq_len(n)) {
    key <- sprintf("%s%d", mine, sample(20L, 1L))
    known <- !is.null(model[[key]])
    switch(sample(6L, 1L),
      {
        value <- if (i %% 50 == 0) rnorm(2000) else i
        dict[[key]] <- value
        model[[key]] <- value
      },
      stopifnot(identical(dict$get(key), model[[key]])),
      {
        stopifnot(identical(dict$pop(key, NULL), model[[key]]))
        model[[key]] <- NULL
      },
      {
        dict$modify(key, function(old) if (is.null(old)) 1 else old + 1)
        model[[key]] <- if (known) model[[key]] + 1 else 1
      },
      {
        if (!known) model[[key]] <- i
        stopifnot(identical(dict$setdefault(key, i), model[[key]]))
      },
      stopifnot(identical(dict$contains(key), known))
    )
    done(i)
  }
  model
}

test_that("random operations of eight processes on one dict do what a model does", {
  dict <- Manager()$dict()
  n <- rounds(100000, 8000) / 8
  processes <- lapply(1:8, function(k) {
    p <- Process(function() random_operations(dict, letters[k], n, k))
    p$start()
    p
  })
  models <- lapply(processes, function(p) p$value(timeout = 600))
  expected <- unlist(models, recursive = FALSE)
  found <- as.list(dict)
  expect_setequal(names(found), names(expected))
  expect_identical(found[names(expected)], expected)
  expect_length(dict, length(expected))
  expect_sound_heap()
})

test_that("a process killed within operations on a dict leaves it whole, with every operation that had returned", {
  dict <- Manager()$dict()
  written <- Value("double", 0, lock = FALSE)
  for (round in seq_len(rounds(2000, 20))) {
    dict$clear()
    written$value <- 0
    p <- Process(function() {
      i <- 0
      repeat {
        i <- i + 1
        dict[[as.character(i %% 50)]] <- if (i %% 7 == 0) rep(i, 5000) else i
        written$value <- i
        if (i %% 3 == 0) dict$pop(as.character(i %% 50))
      }
    })
    p$start()
    wait_until(function() written$value > 5, 60)
    random_moment(0.003)
    kill_9(p$pid)
    p$join(60)
    last <- written$value
    found <- as.list(dict)
    expect_identical(length(found), length(dict))
    expect_identical(sort(names(found)), sort(dict$keys()))
    # The one in the midst may be done or not; of the others each that returned is done.
    for (i in setdiff(seq(max(1, last - 30), last), c(last, seq(3, last + 3, 3)))) {
      expect_identical(dict$get(as.character(i %% 50))[1], as.numeric(i))
    }
    dict[["next"]] <- 1
    expect_identical(dict[["next"]], 1)
  }
  expect_sound_heap()
})
