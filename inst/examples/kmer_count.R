# A real job: count the words of a genome.
#
# A "k-mer" is a word of k letters. The genome of the bacterium Chlamydia
# trachomatis has about a million letters, A, C, G and T. For each k from 4 to 25:
# which words of k letters occur in it, how often is the most common one there,
# and how many occur only once? (Programs that put a genome together from short
# pieces choose k by such a table: long enough that most words are unique.)
#
# Run it with:  Rscript kmer_count.R

library(multiprocessing)
examples <- system.file("examples", package = "multiprocessing")
source(file.path(examples, "data.R"))
source(file.path(examples, "cpu_usage.R"))

# Read the sequences of a FASTA file as numbers: A = 0, C = 1, G = 2, T = 3.
# Lines that begin with ">" are titles. Sequences are kept apart by an NA.
read_fasta <- function(file) {
  lines <- readLines(file)
  lines[startsWith(lines, ">")] <- "|"
  characters <- strsplit(toupper(paste(lines, collapse = "")), "")[[1]]
  match(characters, c("A", "C", "G", "T")) - 1
}

# Count all words of k letters. A word becomes one number, its letters being the
# digits, to base 4. DNA has two strands: a word and its mirror image on the other
# strand (A for T, C for G, backwards) are the same word; take the smaller number.
count_kmers <- function(k, bases) {
  n <- length(bases) - k + 1
  forward <- numeric(n)
  backward <- numeric(n)
  for (i in seq_len(k)) {
    letter <- bases[i:(i + n - 1)]
    forward <- forward * 4 + letter
    backward <- backward + (3 - letter) * 4^(i - 1)
  }
  # sort() drops the NAs: words that would run over the end of a sequence.
  words <- rle(sort(pmin(forward, backward)))
  top <- which.max(words$lengths)
  list(
    k = k,
    words = sum(words$lengths),
    different = length(words$lengths),
    once = sum(words$lengths == 1),
    most_common = spell(words$values[top], k),
    times = words$lengths[top]
  )
}

# The number of a word as letters again.
spell <- function(word, k) {
  digits <- (word %/% 4^((k - 1):0)) %% 4
  paste(c("A", "C", "G", "T")[digits + 1], collapse = "")
}

bases <- read_fasta(package_data("seqinr", "sequences/ct.fasta.gz"))
cat("Letters in the genome:", sum(!is.na(bases)), "\n")

ks <- 4:25
workers <- cpu_count()

rest <- measure(Sys.sleep(0.5)) # what else is this machine doing?

# First as always, one k after the other ...
one <- measure(lapply(ks, count_kmers, bases))

# ... then with a pool. The time is that of everything: start the workers, hand
# them the genome, compute, stop them. Long words take longer than short ones, so
# each worker fetches one k at a time (chunksize = 1) and none sits idle for long.
many <- measure({
  pool <- Pool(workers)
  results <- pool$map(count_kmers, ks, chunksize = 1, args = list(bases))
  pool$close()
  pool$join()
  results
})

# ... then with mclapply(), which is called as lapply() is.
forked <- measure(
  mclapply(ks, count_kmers, bases, mc.cores = workers, mc.preschedule = FALSE)
)

print(do.call(rbind.data.frame, one$value), row.names = FALSE)

cat("\nPool gives the same as lapply:    ", identical(one$value, many$value), "\n")
cat("mclapply gives the same as lapply:", identical(one$value, forked$value), "\n")
stopifnot(identical(one$value, many$value), identical(one$value, forked$value))

runs <- list(one, many, forked)
names(runs) <- c("lapply", paste0(c("Pool(", "mclapply("), workers, ")"))
print_runs(runs, rest)
