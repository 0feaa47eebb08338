# Every kind of handle, on every way to another process, under every start method: what arrives is the same object.

# `there(h)` runs in the other process; `here(h)` then says in this one what the other has done. `make` may be a list of `h`, and
# of what else `here` needs.
handle_kinds <- function() {
  manager <- Manager()
  held <- function(lock) {
    lock$acquire()
    lock
  }
  ends <- Pipe()
  one_way <- Pipe(duplex = FALSE)
  memory <- SharedMemory(create = TRUE, size = 16)
  kind <- function(h, there, here, there_says = NULL) list(h = h, there = there, here = here, there_says = there_says)
  list(
    Lock = kind(held(Lock()), function(h) h$acquire(FALSE), function(h) h$locked(), FALSE),
    RLock = kind(held(RLock()), function(h) h$acquire(FALSE), function(h) h$locked(), FALSE),
    Semaphore = kind(Semaphore(100L), function(h) h$acquire(FALSE), counter(function(h) 100L - h$get_value()), TRUE),
    BoundedSemaphore = kind(BoundedSemaphore(100L), function(h) h$acquire(FALSE), counter(function(h) 100L - h$get_value()), TRUE),
    Event = kind(Event(), function(h) h$set(), function(h) {
      on.exit(h$clear())
      h$is_set()
    }),
    Condition = kind(held(Condition()), function(h) h$acquire(FALSE), function(h) grepl(Sys.getpid(), format(h)), FALSE),
    Barrier = kind(Barrier(2), function(h) h$abort(), function(h) {
      on.exit(h$reset())
      h$broken
    }),
    Queue = kind(Queue(), function(h) h$put("put there"), function(h) identical(h$get(timeout = 60), "put there")),
    SimpleQueue = kind(SimpleQueue(), function(h) h$put("put there"), function(h) identical(h$get(), "put there")),
    JoinableQueue = kind(JoinableQueue(), function(h) h$put("put there"), function(h) {
      on.exit(h$task_done())
      identical(h$get(timeout = 60), "put there")
    }),
    Connection = kind(ends[[1]], function(h) h$send("sent there"), function(h) identical(ends[[2]]$recv(), "sent there")),
    `one-way Connection` = kind(one_way[[2]], function(h) h$send("sent there"), function(h) identical(one_way[[1]]$recv(), "sent there")),
    Value = kind(Value("integer", 0), function(h) h$value <- 1L + h$value, counter(function(h) h$value)),
    `lock of a Value` = kind(held(Value("integer", 0)$get_lock()), function(h) h$acquire(FALSE), function(h) h$locked(), FALSE),
    Array = kind(Array("double", 3), function(h) h[2] <- h[[2]] + 1, counter(function(h) h[[2]])),
    dict = kind(manager$dict(n = 0), function(h) h[["n"]] <- h[["n"]] + 1, counter(function(h) h[["n"]])),
    list = kind(manager$list(), function(h) h$append(1), counter(function(h) length(h))),
    Namespace = kind(manager$Namespace(n = 0), function(h) h$n <- h$n + 1, counter(function(h) h$n)),
    SharedMemory = kind(memory, function(h) h$buf[3] <- as.raw(as.integer(h$buf[3]) + 1), counter(function(h) as.integer(h$buf[3])))
  )
}

# Whether `count(h)` is one more than it was
counter <- function(count) {
  before <- 0
  function(h) {
    now <- count(h)
    grown <- now == before + 1
    before <<- now
    grown
  }
}

ways <- c("captured", "an argument", "in lists", "sent", "in a queue", "returned")

# Runs in the other process: what has arrived, and what it says
use_each <- function(handles, theres) {
  mapply(function(h, there) list(class = class(h), said = there(h)), handles, theres, SIMPLIFY = FALSE)
}

expect_arrived <- function(kinds, said, how) {
  for (name in names(kinds)) {
    kind <- kinds[[name]]
    told <- said[[name]]
    label <- paste(name, how)
    expect_identical(told$class, class(kind$h), label = paste("the class of", label))
    if (!is.null(kind$there_says)) expect_identical(told$said, kind$there_says, label = paste("what is said of", label))
    expect_true(kind$here(kind$h), label = paste("the same object:", label))
  }
}

local_handles <- function(envir = parent.frame()) {
  kinds <- handle_kinds()
  do.call(on.exit, list(bquote(.(kinds$SharedMemory$h$unlink)()), add = TRUE), envir = envir)
  kinds
}

for (method in get_all_start_methods()) {
  test_that(paste("every handle arrives as it is, in a process and in a pool:", method), {
    pool <- local_pool(1, context = method)
    carriers <- list(
      process = function(f, args) Process(f, args, context = method)$start()$value(120),
      pool = function(f, args) pool$apply(f, args)
    )
    for (carrier in names(carriers)) {
      kinds <- lapply(setNames(nm = ways), function(way) local_handles(parent.frame(3)))
      handles <- lapply(kinds, function(of_way) lapply(of_way, `[[`, "h"))
      theres <- lapply(kinds[[1]], `[[`, "there")
      through <- Pipe()
      queue <- Queue()
      for (h in handles$sent) through[[1]]$send(h)
      for (h in handles[["in a queue"]]) queue$put(h)
      captured <- handles$captured
      # there and back again: what has returned is used by the other process
      back <- carriers[[carrier]](function(x) x, list(handles$returned))

      said <- carriers[[carrier]](function(nested, end, queue, returned, ...) {
        list(
          captured = use_each(captured, theres), `an argument` = use_each(list(...), theres),
          `in lists` = use_each(lapply(nested, function(e) e$deep[[1]]), theres),
          sent = use_each(lapply(theres, function(there) end$recv()), theres),
          `in a queue` = use_each(lapply(theres, function(there) queue$get()), theres),
          returned = use_each(returned, theres)
        )
      }, c(list(lapply(handles[["in lists"]], function(h) list(deep = list(h))), through[[2]], queue, back), handles[["an argument"]]))
      for (way in ways) expect_arrived(kinds[[way]], said[[way]], paste(way, "of a", method, carrier))
    }
  })
}

test_that("every handle is what it is in a fork of mclapply(), and as its result", {
  kinds <- local_handles()
  said <- mclapply(kinds, function(kind) list(class = class(kind$h), said = kind$there(kind$h)), mc.cores = 2)
  expect_arrived(kinds, said, "in mclapply()")
  back <- mclapply(kinds, function(kind) kind$h, mc.cores = 2)
  for (name in names(kinds)) kinds[[name]]$h <- back[[name]]
  said <- mclapply(kinds, function(kind) list(class = class(kind$h), said = kind$there(kind$h)), mc.cores = 2)
  expect_arrived(kinds, said, "returned by mclapply()")
})

test_that("what belongs to the process that created it says so elsewhere, and a result that is known is a value there", {
  pool <- local_pool(1)
  executor <- ProcessPoolExecutor(1)
  process <- Process(function() 1)$start()
  known <- executor$submit(identity, 4)
  known$result(timeout = 60)
  open <- executor$submit(identity, 5)
  asked <- pool$apply_async(identity, list(6))
  errors <- lapply(setNames(nm = get_all_start_methods()), function(method) {
    other <- local_pool(1, context = method)
    expect_identical(other$apply(function(f) f$result(), list(known)), 4)
    expect_match(other$apply(format, list(pool)), "Pool of another process")
    expect_match(other$apply(format, list(executor)), "ProcessPoolExecutor of another process")
    expect_match(other$apply(format, list(Manager())), "Manager: makes dict, list")
    uses <- list(
      pool = function() pool$apply(identity, list(1)), executor = function() executor$submit(identity, 1),
      process = function() process$value(), future = function() open$result(60), result = function() asked$get(60)
    )
    lapply(uses, function(use) other$apply(function() tryCatch(use(), multiprocessing_error = conditionMessage)))
  })
  for (error in errors) for (text in error) expect_match(text, "only (by )?the process that (created|started)")
  expect_identical(list(open$result(60), asked$get(60), process$value(60)), list(5, 6, 1))
  executor$shutdown()
})
