# Processes or threads? The same job by both: count the words of k letters in a
# genome (kmer_count.R says what that is for).
#
# - Processes run R code. Each counts its own sequences, and the counts are sent to
#   the parent, which adds them up.
# - Threads run C++ code (kmer_threads.cpp). They share the sequences and one table
#   of counts, in which locks keep them apart; nothing is sent.
#
# Processes need no C++ and cannot disturb each other. Threads are for what is too
# quick, or too much in memory, to be sent to and fro.
#
# Run it with:  Rscript kmer_threads.R

library(multiprocessing)
examples <- system.file("examples", package = "multiprocessing")
source(file.path(examples, "data.R"))
need_package("Rcpp")
Rcpp::sourceCpp(file.path(examples, "kmer_threads.cpp"))

k <- 12
cores <- cpu_count()

# The genome as a character vector: pieces of 5000 letters. Each begins with the last
# k - 1 letters of the piece before it, so that every word lies in one piece.
lines <- readLines(package_data("seqinr", "sequences/ct.fasta.gz"))
titles <- startsWith(lines, ">")
records <- tapply(lines[!titles], cumsum(titles)[!titles], paste, collapse = "")
cut <- function(text, size = 5000) {
  first <- seq(1, max(1, nchar(text) - k + 1), by = size)
  substring(text, first, first + size + k - 2)
}
sequences <- toupper(unlist(lapply(records, cut), use.names = FALSE))
cat(length(sequences), "sequences,", sum(nchar(sequences)), "letters; words of", k, "letters\n")

# --- in processes, in R: one piece after the other ---

count_in_r <- function(text) {
  bases <- match(strsplit(text, "")[[1]], c("A", "C", "G", "T")) - 1
  n <- length(bases) - k + 1
  forward <- numeric(n)
  backward <- numeric(n)
  for (i in seq_len(k)) {
    letter <- bases[i:(i + n - 1)]
    forward <- forward * 4 + letter
    backward <- backward + (3 - letter) * 4^(i - 1)
  }
  rle(sort(pmin(forward, backward))) # sort() drops words with unknown letters
}

add_up <- function(counts) {
  words <- unlist(lapply(counts, `[[`, "values"))
  times <- unlist(lapply(counts, `[[`, "lengths"))
  sums <- rowsum(times, words)
  in_order(data.frame(word = as.numeric(rownames(sums)), times = as.integer(sums)))
}

in_order <- function(counts) {
  counts <- counts[order(counts$word), ]
  rownames(counts) <- NULL
  counts
}

seconds <- function(expr) system.time(expr)[["elapsed"]]
time_r <- seconds(one <- add_up(lapply(sequences, count_in_r)))
time_processes <- seconds(processes <- add_up(mclapply(sequences, count_in_r, mc.cores = cores)))

# --- in threads, in C++ ---

time_thread <- seconds(thread <- in_order(count_kmers_in_threads(sequences, k, 1)))
time_threads <- seconds(threads <- in_order(count_kmers_in_threads(sequences, k, cores)))

cat(nrow(one), "different words,", sum(one$times), "in all\n\n")
report <- function(what, time) cat(sprintf("%-28s %6.2f s\n", what, time))
report("R, lapply", time_r)
report(sprintf("R, mclapply, %d processes", cores), time_processes)
report("C++, 1 thread", time_thread)
report(sprintf("C++, %d threads", cores), time_threads)

same <- identical(one, processes) && identical(one, threads) && identical(one, thread)
cat("\nThe same counts from all of them:", same, "\n")
stopifnot(same)
