# Memory: views that are not needed any more, and a heap that is full.

status_kb <- function(field, pid = Sys.getpid()) {
  lines <- readLines(sprintf("/proc/%d/status", pid))
  as.numeric(gsub("\\D", "", grep(paste0("^", field, ":"), lines, value = TRUE)))
}

count_mappings <- function(pid = Sys.getpid()) length(readLines(sprintf("/proc/%d/maps", pid)))

# An R whose files may have at most `megabytes`, and so its shared memory
in_limited_r <- function(body, megabytes = 400) {
  script <- tempfile(fileext = ".R")
  on.exit(unlink(script))
  writeLines(c(sprintf(".libPaths(c(%s, .libPaths()))", deparse1(package_library())), "library(multiprocessing)", body), script)
  command <- sprintf("ulimit -f %d; exec %s --vanilla %s 2>&1", megabytes * 1024, file.path(R.home("bin"), "Rscript"), script)
  suppressWarnings(system2("bash", c("-c", shQuote(command)), stdout = TRUE))
}

test_that("the collections of a forked process do not copy what the session holds", {
  copied <- in_background_r(function() {
    faults <- function() as.numeric(strsplit(sub(".*\\) ", "", readLines("/proc/self/stat")), " ")[[1L]][8L])
    counted <- function(i) {
      faults()
      before <- faults()
      gc(full = FALSE)
      faults() - before
    }
    held <- lapply(1:3e5, function(i) as.character(i)) # younger than the session's last collection
    c(unlist(mclapply(1:2, counted, mc.cores = 2)), length(held) * 112 / 4096)
  })
  expect_lt(max(copied[1:2]), copied[3L] / 5) # of at least so many pages
})

test_that("dropped views of one large message do not pile up", {
  x <- share(numeric(12.5e6)) # 100 MB
  q <- Queue()
  x[1] # touched once
  before <- status_kb("VmRSS")
  for (i in seq_len(rounds(20000, 1000))) {
    q$put(x)
    y <- q$get()
    y[i] <- 1 # a page of its own
  }
  expect_identical(y[1:2], c(0, 0))
  expect_lt(count_mappings(), 20000)
  expect_lt(status_kb("VmRSS") - before, 1.5e6)
  expect_lt(heap_state()$backed, 2e9)
})

test_that("dropped views of many large messages do not make the heap grow", {
  q <- Queue()
  x <- numeric(12.5e6)
  for (i in seq_len(rounds(20000, 40))) {
    x[1] <- i
    q$put(x)
    y <- q$get()
  }
  expect_identical(y[1:2], c(i, 0))
  expect_lt(heap_state()$backed, 2.5e9)
})

test_that("an idle worker releases what it has taken on", {
  p <- local_pool(1)
  worker <- p$apply(Sys.getpid)
  for (i in seq_len(rounds(200, 4))) {
    expect_identical(p$apply(function(x) length(x), list(numeric(12.5e6) + i)), 12500000L)
  }
  held <- function() {
    m <- memory_usage()
    sum(m$bytes[m$kind == "data" & vapply(m$holders, function(h) worker %in% h, TRUE)])
  }
  expect_true(wait_until(function() held() < 150e6))
})

test_that("a full heap is an error with the numbers, and what was dropped is found again", {
  skip_if(Sys.which("bash") == "")
  out <- in_limited_r('
    kept <- list()
    e <- tryCatch(repeat kept[[length(kept) + 1L]] <- share(rep(1, 6e6)), error = function(e) e)
    cat(class(e)[1], "\n", conditionMessage(e), "\n", sep = "")
    cat("kept", length(kept), sum(kept[[1]]), "\n")
    kept <- NULL
    for (i in 1:20) x <- share(rep(i, 6e6)) # without gc()
    cat("again", x[6e6], multiprocessing:::heap_check()$problem, "\n")
  ')
  expect_identical(out[[1]], "HeapFullError")
  expect_match(out[[2]], "cannot reserve 48.0 MB in shared memory: its .* are in use")
  expect_match(out[[3]], "kept [78] 6e\\+06")
  expect_match(out[[4]], "again 20 ")
})

test_that("a result that finds no room is its element's error, and the pool works on", {
  skip_if(Sys.which("bash") == "")
  out <- in_limited_r('
    p <- Pool(2)
    r <- p$map(function(i) numeric(if (i == 2) 60e6 else 1e6), 1:4, chunksize = 1L, on_error = "return")
    cat(vapply(r, function(x) class(x)[1], ""), "\n")
    cat(conditionMessage(r[[2]]), "\n")
    cat("each", unique(lengths(p$map(function(i) numeric(2e6), 1:20))), "\n")
    p$terminate()
  ')
  expect_match(out[[1]], "numeric TaskError numeric numeric")
  expect_true(any(grepl("cannot reserve 480.0 MB in shared memory", out)))
  expect_match(out[[length(out)]], "^each 2000000 $")
})

test_that("garbage of another process makes room", {
  skip_if(Sys.which("bash") == "")
  out <- in_limited_r('
    p <- Pool(1)
    for (i in 1:6) x <- p$apply(function(i) rep(i + 0, 6e6), list(i)) # garbage of this process
    r <- p$apply(function() rep(7, 12e6)) # finds no room in the worker
    cat(r[1], length(r), "\n")
    p$terminate()
  ')
  expect_match(out[[length(out)]], "^7 12000000")
})

test_that("long vectors and results of 5 GB travel", {
  skip_if_not(soaking(), "make soak")
  available <- as.numeric(gsub("\\D", "", grep("^MemAvailable", readLines("/proc/meminfo"), value = TRUE))) * 1024
  skip_if(available < 16e9, "needs 16 GB of memory")
  n <- 2^31 + 10
  q <- Queue()
  x <- raw(n)
  x[n] <- as.raw(7)
  q$put(x)
  rm(x)
  y <- q$get()
  expect_identical(length(y), n)
  expect_identical(y[c(1, n)], as.raw(c(0, 7)))
  rm(y)
  gc()
  p <- local_pool(1)
  r <- p$apply(function() {
    v <- numeric(625e6)
    v[625e6] <- 1
    v
  })
  expect_identical(length(r), 625000000L)
  expect_identical(r[c(1, 625e6)], c(0, 1))
})

test_that("a worker has a large result no longer when it begins the next task", {
  skip_if_not(file.exists("/proc/self/status"))
  pool <- local_pool(1)
  work <- function(i) {
    if (i == 2) {
      return(numeric(1.25e7) + i) # 100 MB
    }
    as.numeric(gsub("\\D", "", grep("^RssAnon", readLines("/proc/self/status"), value = TRUE)))
  }
  pool$map(work, 1:3)
  kilobytes <- unlist(pool$map(work, 1:3, chunksize = 3)[c(1, 3)])
  expect_lt(kilobytes[2] - kilobytes[1], 50e3)
})

test_that("a large result that its task keeps somewhere stays whole there", {
  pool <- local_pool(1)
  fresh <- function() numeric(5e6) + 1 # 40 MB, a mapping of its own
  keep_and_return <- list(
    variable = function(x) assign("kept", x, globalenv()),
    list = function(x) assign("kept", list(x), globalenv()),
    attribute = function(x) assign("kept", structure(1, a = x), globalenv()),
    closure = function(x) assign("kept", function() x, globalenv()),
    promise = function(x) assign("kept", (function(y) function() y)(x), globalenv()),
    pairlist = function(x) assign("kept", as.call(list(quote(f), x)), globalenv())
  )
  for (keep in keep_and_return) {
    results <- pool$map(function(i, keep, fresh) {
      if (i == 1) {
        x <- fresh()
        keep(x)
        return(x)
      }
      kept <- get("kept", globalenv())
      whole <- function(x) is.numeric(x) && length(x) == 5e6 && all(x == 1)
      candidates <- list(
        kept, if (is.list(kept)) kept[[1]], attr(kept, "a"), if (is.function(kept)) kept(), if (is.call(kept)) kept[[2]]
      )
      any(vapply(candidates, whole, TRUE))
    }, 1:2, chunksize = 2, args = list(keep = keep, fresh = fresh))
    expect_identical(results, list(numeric(5e6) + 1, TRUE))
  }
})
