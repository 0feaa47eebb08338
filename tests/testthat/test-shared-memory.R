# SharedMemory: names, bytes in place, other processes, other programs, Python.

new_memory <- function(size, envir = parent.frame()) {
  shm <- SharedMemory(create = TRUE, size = size)
  unlink_at_end(shm, envir)
  shm
}

unlink_at_end <- function(shm, envir) {
  end <- function() try(shm$unlink(), silent = TRUE)
  do.call(base::on.exit, list(as.call(list(end)), add = TRUE), envir = envir)
}

segment <- function(name) file.path("/dev/shm", name)

test_that("new memory is zero, this user's alone, and goes when it is unlinked", {
  shm <- new_memory(100)
  expect_match(shm$name, "^psm_[0-9a-f]{8}$")
  expect_identical(shm$size, 100)
  expect_identical(shm$buf[], raw(100))
  skip_if_not(dir.exists("/dev/shm"))
  info <- file.info(segment(shm$name))
  expect_identical(format(info$mode), "600")
  expect_equal(info$size, 100)
  shm$unlink()
  expect_false(file.exists(segment(shm$name)))
  shm$buf[1] <- as.raw(7) # a process that has it open keeps using it
  expect_identical(shm$buf[[1]], as.raw(7))
  expect_classed_error(shm$unlink(), "FileNotFoundError")
  expect_classed_error(SharedMemory(shm$name), "FileNotFoundError", shm$name)
})

test_that("a umask takes no rights of the user away, and gives none to others", {
  old <- Sys.umask("777")
  on.exit(Sys.umask(old))
  shm <- new_memory(8)
  expect_identical(format(file.info(segment(shm$name))$mode), "600")
  Sys.umask("000")
  other <- new_memory(8)
  expect_identical(format(file.info(segment(other$name))$mode), "600")
})

test_that("two handles of a name are the same bytes, and indices are R's", {
  shm <- new_memory(16)
  same <- SharedMemory(shm$name)
  shm$buf[1:4] <- as.raw(1:4)
  expect_identical(same$buf[1:4], as.raw(1:4))
  same$buf[c(16, 1)] <- as.raw(c(9, 8))
  expect_identical(shm$buf[c(1, 16)], as.raw(c(8, 9)))
  expect_identical(shm$buf[-(3:16)], as.raw(c(8, 2)))
  expect_identical(shm$buf[c(TRUE, FALSE)], shm$buf[][c(TRUE, FALSE)])
  shm$buf[] <- as.raw(5)
  expect_identical(same$as_vector(), rep(as.raw(5), 16))
  shm$buf[[2]] <- as.raw(6)
  expect_identical(same$buf[[2]], as.raw(6))
  expect_length(shm$buf, 16)
  expect_classed_error(shm$buf[17], "IndexError")
  expect_classed_error(shm$buf[0:17] <- as.raw(1), "IndexError")
  expect_identical(shm$buf[[1]], as.raw(5))
  expect_classed_error(shm$buf[[1:2]], "IndexError")
  expect_classed_error(shm$buf[1:4] <- as.raw(1:3), "ValueError", "not a multiple")
  expect_classed_error(shm$buf <- raw(16), "ValueError")
})

test_that("a buffer is cast to numbers of any type, and refuses what the type does not hold", {
  shm <- new_memory(24)
  x <- shm$buf$cast("double")
  expect_length(x, 3)
  x[] <- c(1.5, NA, -Inf)
  expect_identical(x[], c(1.5, NA, -Inf))
  expect_identical(shm$as_vector("double"), c(1.5, NA, -Inf))
  expect_identical(shm$as_vector("d", dim = c(1, 3)), matrix(c(1.5, NA, -Inf), 1))
  expect_identical(shm$as_vector("d", dim = 2), array(c(1.5, NA)))
  expect_identical(readBin(shm$buf[1:8], "double"), 1.5)
  i <- shm$buf$cast("B")
  i[1:2] <- c(255, 0)
  expect_classed_error(i[1:2] <- c(1, 256), "ValueError", "256")
  expect_equal(i[1:2], c(255, 0))
  expect_classed_error(shm$buf$cast("words"), "ValueError")
  expect_classed_error(shm$as_vector("d", dim = 4), "ValueError", "dim")
})

test_that("writes of more than one step, in runs or scattered, arrive as they were given", {
  shm <- new_memory(8 * 3e5)
  x <- shm$buf$cast("double")
  values <- as.numeric(seq_len(3e5))
  x[] <- values
  expect_identical(x[], values)
  at <- sample(3e5)
  x[at] <- values
  expect_identical(x[at], values)
  expect_identical(x[rev(at)], rev(values))
})

test_that("arguments that are wrong are refused", {
  expect_classed_error(SharedMemory(), "ValueError", "name")
  expect_classed_error(SharedMemory(create = TRUE), "ValueError", "size")
  expect_classed_error(SharedMemory(create = TRUE, size = 0), "ValueError", "size")
  expect_classed_error(SharedMemory(create = TRUE, size = -1), "ValueError")
  expect_classed_error(SharedMemory(create = NA, size = 1), "ValueError")
  for (name in list("/a", "a/b", "", ".", "..", NA_character_, 1, c("a", "b"), strrep("a", 255))) {
    expect_classed_error(SharedMemory(name, create = TRUE, size = 1), "ValueError", "name")
    expect_classed_error(SharedMemory(name), "ValueError", "name")
  }
  shm <- new_memory(10)
  expect_classed_error(SharedMemory(shm$name, create = TRUE, size = 1), "FileExistsError", shm$name)
  expect_classed_error(SharedMemory(shm$name, size = 11), "ValueError", "10 bytes")
  SharedMemory(shm$name, size = 10)$close()
})

test_that("more memory than the system has is an error and leaves no name", {
  name <- sprintf("r_test_%d_large", Sys.getpid())
  expect_classed_error(SharedMemory(name, create = TRUE, size = 2^50), "OSError", name)
  expect_classed_error(SharedMemory(name), "FileNotFoundError")
})

test_that("closed memory says so, and closing twice is nothing", {
  shm <- new_memory(10)
  buf <- shm$buf
  expect_match(format(shm), "10 bytes")
  expect_match(format(buf), "raw [10]: 00", fixed = TRUE)
  shm$close()
  shm$close()
  expect_classed_error(shm$buf, "ValueError", "closed")
  expect_classed_error(shm$size, "ValueError", "closed")
  expect_classed_error(buf[1], "ValueError", "closed")
  expect_match(format(shm), "closed")
  expect_match(format(buf), "closed")
  expect_identical(with(SharedMemory(shm$name), 1), 1)
})

test_that("memory that another program has made shorter or empty is an error, not the end of the session", {
  skip_if_not(dir.exists("/dev/shm"))
  shm <- new_memory(1e5)
  close(file(segment(shm$name), "wb")) # truncates
  expect_classed_error(shm$buf[1], "OSError", "shorter")
  expect_classed_error(shm$buf[1] <- as.raw(1), "OSError", shm$name)
  expect_classed_error(SharedMemory(shm$name), "ValueError", "0 bytes")
  expect_equal(file.size(segment(shm$name)), 0)
})

for (method in get_all_start_methods()) {
  test_that(paste("a child has the memory, captured or as an argument, and opens it by its name:", method), {
    shm <- new_memory(64)
    context <- get_context(method)
    p <- context$Process(function(given) {
      given$buf$cast("d")[[1]]
      x <- given$buf$cast("d")
      x[2] <- x[1] + 1
      list(given$name, given$size)
    }, list(shm))
    x <- shm$buf$cast("d")
    x[1] <- 41
    p$start()
    expect_identical(p$value(timeout = 60), list(shm$name, 64))
    expect_identical(x[2], 42)
    pool <- context$Pool(1)
    on.exit(pool$terminate(), add = TRUE)
    expect_identical(pool$apply(function() shm$as_vector("d")[1:2]), c(41, 42))
    expect_identical(pool$map(function(s) length(s$buf), list(shm, shm)), list(64L, 64L))
    q <- Queue()
    q$put(list(shm))
    expect_identical(q$get()[[1]]$buf[1:8], shm$buf[1:8])
  })

  test_that(paste("what a child has created stays when it ends:", method), {
    p <- get_context(method)$Process(function() {
      shm <- SharedMemory(create = TRUE, size = 8)
      shm$buf[1] <- as.raw(3)
      shm$name
    })
    p$start()
    shm <- SharedMemory(p$value(timeout = 60))
    p$join(60)
    unlink_at_end(shm, environment())
    expect_identical(shm$buf[[1]], as.raw(3))
  })
}

test_that("a session that ends by itself unlinks what it has created, and not what it has opened", {
  shm <- new_memory(8)
  name <- sprintf("r_test_%d_other", Sys.getpid())
  skip_if_not_installed("callr")
  size <- in_background_r(function(mine, yours) {
    a <- multiprocessing::SharedMemory(mine, create = TRUE, size = 8)
    b <- multiprocessing::SharedMemory(yours)
    p <- multiprocessing::Process(function() 1) # its end unlinks nothing
    p$start()
    p$join()
    multiprocessing::SharedMemory(mine)$size + b$size
  }, list(name, shm$name))
  expect_identical(size, 16)
  expect_classed_error(SharedMemory(name), "FileNotFoundError")
  expect_identical(SharedMemory(shm$name)$size, 8)
})

# R's own LD_LIBRARY_PATH may lead a Python to the library of another one.
python <- function(code, ..., stdout = TRUE, wait = TRUE) {
  skip_if(Sys.which("python3") == "", "python3 is not installed")
  file <- tempfile(fileext = ".py")
  writeLines(c("from multiprocessing import shared_memory, resource_tracker", "import sys", code), file)
  system2("env", c("LD_LIBRARY_PATH=", Sys.which("python3"), file, ...), stdout = stdout, stderr = stdout, wait = wait)
}

test_that("numbers that Python writes R sees and changes", {
  shm <- new_memory(8 * 1000)
  out <- python(c(
    "shm = shared_memory.SharedMemory(sys.argv[1])",
    "resource_tracker.unregister(shm._name, 'shared_memory')",
    "x = memoryview(shm.buf).cast('d')", "for i in range(1000): x[i] = i / 2", "print(shm.size)",
    "x.release(); shm.close()"
  ), shm$name)
  expect_identical(out, "8000")
  x <- shm$buf$cast("d")
  expect_identical(x[], (0:999) / 2)
  x[1:3] <- c(-1, pi, NA)
  out <- python(c(
    "shm = shared_memory.SharedMemory(sys.argv[1])",
    "resource_tracker.unregister(shm._name, 'shared_memory')",
    "x = memoryview(shm.buf).cast('d')", "print(x[0], repr(x[1]), x[2] != x[2], x[3])", "x.release(); shm.close()"
  ), shm$name)
  expect_identical(out, "-1.0 3.141592653589793 True 1.5")
})

test_that("memory that Python has created R opens by its name, writes, and may unlink", {
  listener <- Listener()
  on.exit(listener$close())
  python(c(
    "from multiprocessing.connection import Client",
    "c = Client(sys.argv[1])", "shm = shared_memory.SharedMemory(create=True, size=80)",
    "x = memoryview(shm.buf).cast('d')", "x[0] = 0.25", "c.send_bytes(shm.name.encode())", "c.recv_bytes()",
    "c.send_bytes(str([x[0], x[9]]).encode())", "x.release(); shm.close()",
    "resource_tracker.unregister(shm._name, 'shared_memory')"
  ), listener$address, stdout = "", wait = FALSE)
  connection <- listener$accept(timeout = 60)
  name <- rawToChar(connection$recv_bytes(timeout = 60))
  shm <- SharedMemory(name)
  unlink_at_end(shm, environment())
  x <- shm$buf$cast("double")
  expect_gte(shm$size, 80)
  expect_identical(x[1], 0.25)
  x[c(1, 10)] <- c(2, 8)
  connection$send_bytes(raw(1))
  expect_identical(rawToChar(connection$recv_bytes(timeout = 60)), "[2.0, 8.0]")
  expect_error(connection$recv_bytes(timeout = 60), class = "EOFError")
  shm$unlink()
  expect_classed_error(SharedMemory(name), "FileNotFoundError")
})
