# The main process is killed while its workers compute. `what` says what they do, and how they were started.
session_with_workers <- function(n, what, method) {
  background_r(function(n, what, method) {
    loop <- switch(what,
      r = function(q) {
        q$put(Sys.getpid())
        x <- 0
        repeat x <- x + 1
      },
      c = function(q) { # minutes inside one call of compiled code that looks at no signal
        data <- stats::runif(200003)
        q$put(Sys.getpid())
        repeat stats::fft(data)
      },
      wait = function(q) {
        q$put(Sys.getpid())
        Queue()$get()
      }
    )
    q <- Queue()
    lock <- Lock()
    lock$acquire()
    pool <- Pool(max(1, n %/% 2), context = method)
    results <- lapply(seq_len(n %/% 2), function(i) pool$apply_async(loop, list(q)))
    ps <- lapply(seq_len(n - n %/% 2), function(i) Process(loop, list(q), context = method)$start())
    pids <- vapply(seq_len(2 * (n %/% 2) + n %% 2), function(i) q$get(timeout = 60), 1L)
    maps <- grep("memfd:multiprocessing", readLines("/proc/self/maps"), value = TRUE)[1]
    inode <- strsplit(maps, " +")[[1]][5]
    cat(inode, pids, "\n")
    repeat Sys.sleep(10)
  }, list(n, what, method), stdout = "|", env = c(callr::rcmd_safe_env(), TMPDIR = tempdir()))
}

# Processes that have the heap of inode `inode`
who_maps <- function(inode) {
  files <- Sys.glob("/proc/[0-9]*/maps")
  has <- vapply(files, function(f) {
    lines <- tryCatch(suppressWarnings(readLines(f)), error = function(e) character())
    any(grepl(paste0(" ", inode, " +/memfd:multiprocessing"), lines))
  }, TRUE)
  basename(dirname(files[has]))
}

ours_in_shm <- function() list.files("/dev/shm", "multiprocessing")

killed_session <- function(n, whats, method = "fork") {
  sessions <- lapply(whats, function(what) session_with_workers(n, what, method))
  on.exit(for (s in sessions) s$kill())
  reports <- lapply(sessions, function(s) as.integer(strsplit(next_line(s, 120), " ")[[1]]))
  for (report in reports) {
    testthat::expect_length(report, n + 1)
    testthat::expect_false(any(vapply(report[-1], is_gone, TRUE)))
    testthat::expect_length(who_maps(report[1]), n + 1)
  }
  parents <- vapply(sessions, function(s) s$get_pid(), 1L)
  for (pid in parents) kill_9(pid)
  killed <- now()
  pids <- c(parents, unlist(lapply(reports, `[`, -1)))
  gone <- wait_until(function() all_gone(pids), 10)
  seconds <- now() - killed
  testthat::expect_true(gone)
  for (report in reports) testthat::expect_identical(who_maps(report[1]), character())
  for (pid in pids) testthat::expect_length(suppressWarnings(list.files(sprintf("/proc/%d/fd", pid))), 0)
  seconds
}

test_that("the parent is killed while 8 workers compute in R and 8 in C: all are gone within a second, with their memory", {
  skip_on_cran()
  shm <- ours_in_shm()
  seconds <- vapply(seq_len(rounds(50, 2)), function(i) killed_session(8, c("r", "c")), 1)
  expect_prompt(seconds, 0.5)
  expect_lt(max(seconds), 1)
  expect_identical(ours_in_shm(), shm)
})

test_that("workers that wait, and processes that were spawned, go with their parent, too", {
  skip_on_cran()
  expect_lt(killed_session(4, "wait"), 1)
  before <- list.files(tempdir(), "^Rtmp")
  expect_lt(killed_session(2, "c", "spawn"), 1)
  # their temporary folders lie in that of the parent, which a killed R leaves
  expect_lte(length(setdiff(list.files(tempdir(), "^Rtmp"), before)), 1)
})

test_that("grandchildren go as well", {
  skip_on_cran()
  session <- background_r(function() {
    q <- Queue()
    Process(function() {
      inner <- Pool(2)
      for (i in 1:2) inner$apply_async(function(q) {
        q$put(Sys.getpid())
        repeat NULL
      }, list(q))
      q$put(Sys.getpid())
      repeat Sys.sleep(10)
    })$start()
    cat(vapply(1:3, function(i) q$get(timeout = 30), 1L), "\n")
    repeat Sys.sleep(10)
  }, stdout = "|")
  pids <- as.integer(strsplit(next_line(session), " ")[[1]])
  expect_length(pids, 3)
  kill_9(session$get_pid())
  killed <- now()
  expect_true(wait_until(function() all_gone(pids), 10))
  expect_lt(now() - killed, 1)
})

test_that("a session that ends by itself leaves no process", {
  skip_on_cran()
  pids <- in_background_r(function() {
    pool <- Pool(2)
    pool$apply_async(function() repeat NULL)
    daemon <- Process(function() repeat NULL, daemon = TRUE)$start()
    c(pool$status()$pid, daemon$pid)
  })
  expect_true(wait_until(function() all_gone(pids), 1))
})

test_that("the heap is sound after all of this", {
  expect_sound_heap()
})
