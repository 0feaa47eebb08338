test_that("join() returns when the last of four workers' tasks is done", {
  for (method in c("fork", "spawn")) {
    tasks <- JoinableQueue()
    done <- Semaphore(0)
    ps <- lapply(if (method == "fork") 1:4 else 1:2, function(i) {
      Process(function(tasks, done) {
        while (!is.null(tasks$get())) {
          done$release()
          tasks$task_done()
        }
        tasks$task_done()
      }, list(tasks, done), context = method)$start()
    })
    for (i in 1:20) tasks$put(i)
    tasks$join()
    expect_identical(done$get_value(), 20)
    for (p in ps) tasks$put(NULL)
    for (p in ps) p$join()
    tasks$join()
    expect_classed_error(tasks$task_done(), "ValueError", "more often")
  }
})

test_that("one task_done() too many is an error, also with tasks that were not taken", {
  tasks <- JoinableQueue(5)
  expect_classed_error(tasks$task_done(), "ValueError")
  tasks$put("a")
  expect_classed_error(tasks$task_done(), "ValueError")
  expect_identical(tasks$get(), "a")
  tasks$task_done()
  expect_classed_error(tasks$task_done(), "ValueError")
  tasks$join()
  expect_classed_error(tasks$get_nowait(), "Empty")
  expect_output(print(tasks), "<JoinableQueue #\\d+, 0 messages, 0 not done>")
})

test_that("join() is told of tasks whose worker was killed, once, and soon", {
  n <- rounds(500, 8)
  latency <- numeric(n)
  for (k in seq_len(n)) {
    tasks <- JoinableQueue()
    for (x in list(1, runif(2000), "not taken")) tasks$put(x)
    worker <- Process(function() {
      tasks$get()
      tasks$get()
      repeat Sys.sleep(10)
    })$start()
    expect_true(wait_until(function() tasks$qsize() == 1))
    worker$kill()
    killed <- now()
    e <- expect_classed_error(tasks$join(), "WorkerDiedError", sprintf("process %d ended", worker$pid))
    latency[k] <- now() - killed
    expect_identical(e$tasks, 2L)
    worker$join()
    tasks$get()
    tasks$task_done()
    tasks$join()
  }
  expect_prompt(latency)
})

test_that("a joinable queue travels as one and may be waited for", {
  tasks <- JoinableQueue()
  q <- Queue()
  q$put(tasks)
  copy <- q$get()
  expect_identical(wait(list(tasks), timeout = 0), list())
  copy$put(5)
  expect_identical(wait(list(tasks), timeout = 20), list(tasks))
  expect_identical(tasks$get(), 5)
  copy$task_done()
  tasks$join()
  expect_sound_heap()
})
