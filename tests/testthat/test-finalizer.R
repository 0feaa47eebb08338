# Finalizers run inside any allocation of R's: also while a message is read, or a value is written. What they do there
# must not harm what is under way.

# Runs `within` where R looks up a namespace for what it reads or writes, as if its collector had come at that moment
with_collection_inside <- function(within, code) {
  base <- baseenv()
  original <- get("..getNamespace", base)
  armed <- TRUE
  hook <- function(name, where) {
    if (armed) {
      armed <<- FALSE
      planted <- new.env()
      reg.finalizer(planted, function(e) within())
      rm(planted)
      gc()
    }
    original(name, where)
  }
  unlockBinding("..getNamespace", base)
  assign("..getNamespace", hook, base)
  on.exit({
    assign("..getNamespace", original, base)
    lockBinding("..getNamespace", base)
  })
  value <- code
  expect_false(armed)
  value
}

test_that("a finalizer that receives a message harms none that is being read", {
  q <- Queue()
  other <- Queue()
  ends <- Pipe()
  x <- list(f = stats::sd, tail = as.list(as.numeric(1:40)), text = letters)
  for (size in c(60, 60000)) {
    got <- NULL
    receive <- function() got <<- other$get_nowait()
    noise <- as.list(sprintf("other-%d", seq_len(size)))
    q$put(x)
    other$put(noise)
    expect_identical(with_collection_inside(receive, q$get())$tail, x$tail)
    expect_identical(got, noise)
    ends[[1]]$send(x)
    other$put(noise)
    expect_identical(with_collection_inside(receive, ends[[2]]$recv())$tail, x$tail)
    expect_identical(got, noise)
  }
})

test_that("what a finalizer saves while a value is sent can be read by any R", {
  skip_if_not_installed("callr")
  q <- Queue()
  view <- share(as.numeric(1:1e5))
  words <- share(as.character(1:1e5))
  file <- tempfile(fileext = ".rds")
  lock <- Lock() # is written by a hook of ours, which allocates while R's serializer is at work
  sent <- c(list(stats::sd), rep(list(view, words, lock), 10))
  saved <- FALSE
  plant <- function() {
    reg.finalizer(new.env(), function(e) {
      saveRDS(list(view, words), file)
      saved <<- TRUE
    })
  }
  plant()
  puts <- 0
  old <- gctorture2(1)
  while (!saved && puts < 200) { # most collections are of the youngest objects, some of older ones
    q$put(sent)
    puts <- puts + 1
  }
  gctorture2(old)
  expect_true(saved)
  for (k in seq_len(puts)) expect_identical(q$get()[2:3], sent[2:3])
  read <- callr::r(function(file) readRDS(file), list(file))
  expect_identical(read, list(as.numeric(1:1e5), as.character(1:1e5)))
})
