# Real jobs on 2 workers: the two of inst/examples, and the matrix that README shows. A running pool, and mclapply(), beside
# lapply() in one process. The data come with packages seqinr and pliman (see inst/examples/data.R); what is missing has no row.
#   Rscript bench/jobs.R [--rounds=2] [kmers photographs matrix]

here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1L]))
source(file.path(here, "peers.R"))
source(file.path(here, "engines.R"))
heading("Real jobs")
if (!have_ours) stop("the package is not installed", call. = FALSE)

chosen <- grep("^--", commandArgs(TRUE), value = TRUE, invert = TRUE)
wanted <- function(job) !length(chosen) || job %in% chosen
laps <- asked_rounds(2L)
examples <- system.file("examples", package = OURS)
source(file.path(examples, "data.R"))

#' The functions that an example defines, without what it does with them.
functions_of <- function(file, names) {
  for (part in parse(file.path(examples, file))) {
    if (is.call(part) && identical(part[[1L]], quote(`<-`)) && as.character(part[[2L]])[1L] %in% names) eval(part, globalenv())
  }
}

#' The job in one process, on a running pool, by mclapply() and by parallel's; the values are compared with those of the first.
compare_job <- function(name, alone, pooled, ours, theirs) {
  work <- sprintf("%s, 2 workers", name)
  expected <- alone()
  same <- function(f, ...) {
    start <- now()
    value <- f(...)
    taken <- now() - start
    if (!identical(value, expected)) stop("the values differ", call. = FALSE)
    taken
  }
  result <- compare(work, "s", rounds = laps, list(
    on(our_pool(2L), OURS, function(p) same(pooled, p)),
    contestant("ours, mclapply", when = have_mclapply, run = function(state) same(ours)),
    contestant("mclapply", when = unix, run = function(state) same(theirs)),
    contestant("lapply", function(state) same(alone))
  ))
  must_be(result, peer = "mclapply", ratio = 1)
  result
}

if (wanted("matrix")) {
  m <- matrix(as.double(seq_len(5e7)), ncol = 1000L)
  numbers <- 1:1000
  result <- compare("sum(m[, j]) of each column, a share()d matrix of 400 MB, 2 workers", "s", rounds = 5L, list(
    on(our_pool(2L), OURS, function(p) {
      shared <- ours("share")(m)
      one <- function() p$map(function(j) sum(shared[, j]), numbers, template = numeric(1))
      stopifnot(identical(one(), colSums(m))) # the first time reads every page
      elapsed(one)
    }),
    contestant("lapply", function(state) elapsed(function() lapply(numbers, function(j) sum(m[, j])))),
    on(psock(2L), "lapply, a half in each of two sessions", function(cl) {
      parallel::clusterCall(cl, function() {
        m <<- matrix(as.double(seq_len(2.5e7)), ncol = 500L)
        NULL
      })
      side_by_side(cl, function(k) lapply(1:500, function(j) sum(m[, j])), time = elapsed)
    })
  ))
  must_be(result, peer = "lapply", ratio = 1 / 1.9)
  rm(m)
  invisible(gc())
}

genome <- if (wanted("kmers")) tryCatch(package_data("seqinr", "sequences/ct.fasta.gz"), error = function(e) NULL)
if (!is.null(genome)) {
  functions_of("kmer_count.R", c("read_fasta", "count_kmers", "spell"))
  bases <- read_fasta(genome)
  ks <- 4:25
  result <- compare_job(
    "k-mers of a genome",
    function() lapply(ks, count_kmers, bases),
    function(p) p$map(count_kmers, ks, chunksize = 1L, args = list(bases)),
    function() our_mclapply(ks, count_kmers, bases, mc.cores = 2L, mc.preschedule = FALSE),
    function() parallel::mclapply(ks, count_kmers, bases, mc.cores = 2L, mc.preschedule = FALSE)
  )
  must_be(result, peer = "lapply", ratio = 1 / 2)
}

folder <- if (wanted("photographs") && has("jpeg")) tryCatch(package_data("pliman", "tmp_images"), error = function(e) NULL)
if (!is.null(folder)) {
  functions_of("image_preprocess.R", c("cut_middle", "shrink", "quarter_turn", "prepare"))
  photos <- list.files(folder, "[.]jpg$", full.names = TRUE)
  photos <- Filter(function(file) min(dim(jpeg::readJPEG(file))[1:2]) * 0.86 > 226, photos)
  tasks <- expand.grid(file = photos, part = c(1, 0.86), turns = 0:1, mirror = c(FALSE, TRUE), stringsAsFactors = FALSE)
  out <- tempfile("photos-")
  dir.create(out)
  tasks <- lapply(seq_len(nrow(tasks)), function(i) c(as.list(tasks[i, ]), folder = out))
  one <- function(task) do.call(prepare, task)
  result <- compare_job(
    sprintf("%d versions of photographs", length(tasks)),
    function() lapply(tasks, one),
    function(p) p$starmap(prepare, tasks),
    function() our_mclapply(tasks, one, mc.cores = 2L),
    function() parallel::mclapply(tasks, one, mc.cores = 2L)
  )
  must_be(result, peer = "lapply", ratio = 1 / 2)
}

finish()
