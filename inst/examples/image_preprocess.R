# A real job: prepare a folder of photographs for a neural network.
#
# Every photograph is read, cut, resized to 224 x 224, made grey, normalised
# (mean 0, standard deviation 1) and written to a file, in 24 versions: three cuts,
# each turned four ways, each with its mirror image. So the network will know
# a leaf whichever way it lies.
#
# Run it with:  Rscript image_preprocess.R [folder for the results]

library(multiprocessing)
examples <- system.file("examples", package = "multiprocessing")
source(file.path(examples, "data.R"))
source(file.path(examples, "cpu_usage.R"))
need_package("jpeg", "It needs the files of libjpeg (on Debian and Ubuntu: libjpeg-dev).")

# Keep the middle of a photograph: `part` = 0.5 keeps half of its width and height.
# A photograph is an array: rows x columns x 3 colours, each from 0 to 1.
cut_middle <- function(photo, part) {
  middle <- function(n) {
    margin <- floor(n * (1 - part) / 2)
    (1 + margin):(n - margin)
  }
  photo[middle(nrow(photo)), middle(ncol(photo)), , drop = FALSE]
}

# Make one colour of a photograph smaller: every new point is the mean of the old
# points that fall into it. rowsum() adds up the rows of the same new row; turn
# the matrix round, and it adds up the columns.
shrink <- function(colour, size) {
  row <- ceiling(seq_len(nrow(colour)) * size / nrow(colour))
  column <- ceiling(seq_len(ncol(colour)) * size / ncol(colour))
  sums <- t(rowsum(t(rowsum(colour, row)), column))
  unname(sums / outer(tabulate(row), tabulate(column)))
}

quarter_turn <- function(image) {
  t(image[nrow(image):1, ])
}

# The whole way of one version, from file to file.
prepare <- function(file, part, turns, mirror, folder, size = 224) {
  photo <- cut_middle(jpeg::readJPEG(file), part)
  red <- shrink(photo[, , 1], size)
  green <- shrink(photo[, , 2], size)
  blue <- shrink(photo[, , 3], size)
  grey <- 0.299 * red + 0.587 * green + 0.114 * blue # as bright as the eye sees it
  image <- (grey - mean(grey)) / sd(grey)
  for (i in seq_len(turns)) {
    image <- quarter_turn(image)
  }
  if (mirror) {
    image <- image[, ncol(image):1]
  }
  # A file holds 0 (black) to 1 (white): show -3 to 3 standard deviations.
  shown <- pmin(pmax((image + 3) / 6, 0), 1)
  name <- sub("\\.jpg$", "", basename(file))
  name <- sprintf("%s-%.0f-%d%s.jpg", name, 100 * part, 90 * turns, if (mirror) "m" else "")
  jpeg::writeJPEG(shown, file.path(folder, name), quality = 0.9)
  list(name = name, mean = mean(grey), sd = sd(grey))
}

# The photographs: leaves, seeds and grains, from package 'pliman'. Some are
# smaller than what the network wants, even before they are cut; leave them out.
parts <- c(1, 0.93, 0.86)
photos <- list.files(package_data("pliman", "tmp_images"), "\\.jpg$", full.names = TRUE)
big_enough <- function(file) {
  min(dim(jpeg::readJPEG(file))[1:2]) * min(parts) > 226
}
photos <- Filter(big_enough, photos)

# One task per version; a task is the list of prepare()'s arguments.
tasks <- expand.grid(
  file = photos, part = parts, turns = 0:3, mirror = c(FALSE, TRUE),
  stringsAsFactors = FALSE
)
tasks <- lapply(seq_len(nrow(tasks)), function(i) as.list(tasks[i, ]))
cat(length(photos), "photographs,", length(tasks), "versions to prepare\n")

out <- commandArgs(trailingOnly = TRUE)
out <- if (length(out)) out[[1]] else tempfile("photos-")
new_folder <- function(name) {
  folder <- file.path(out, name)
  dir.create(folder, recursive = TRUE, showWarnings = FALSE)
  folder
}
folder_one <- new_folder("one-process")
folder_many <- new_folder("pool")
workers <- cpu_count()

rest <- measure(Sys.sleep(0.5)) # what else is this machine doing?

# First as always, one after the other ...
one <- measure(lapply(tasks, function(task) {
  do.call(prepare, c(task, folder = folder_one))
}))

# ... then with a pool: starmap() calls prepare() with the arguments of each task.
# (The short way, without a pool: change `lapply` above to `mclapply`.)
many <- measure({
  pool <- Pool(workers)
  results <- pool$starmap(prepare, lapply(tasks, c, folder = folder_many))
  pool$close()
  pool$join()
  results
})

# The same numbers, and the same files, byte for byte?
fingerprints <- function(folder) {
  files <- list.files(folder, full.names = TRUE)
  unname(tools::md5sum(files))
}
same_numbers <- identical(one$value, many$value)
same_files <- identical(list.files(folder_one), list.files(folder_many)) &&
  identical(fingerprints(folder_one), fingerprints(folder_many))
cat("Files written:      ", length(list.files(folder_many)), "\n")
cat("The same numbers:   ", same_numbers, "\n")
cat("The same files:     ", same_files, "\n")
stopifnot(same_numbers, same_files, length(list.files(folder_many)) == length(tasks))

runs <- list(one, many)
names(runs) <- c("lapply", paste0("Pool(", workers, ")"))
print_runs(runs, rest)
