# Do all arrows point down? Fails, and names them, if a file includes or calls something of a layer above its own.
#
#   Rscript .ci/layers.R            checks src/ and R/, and that every header compiles alone
#   Rscript .ci/layers.R arrows     prints the arrows between rooms, too
#   Rscript .ci/layers.R quick      does not compile the headers
#
# A layer may use those below it and nothing of those beside it. A new file takes its layer from its folder (src/) or its
# prefix (R/); within a folder of src/ there is no order, but no circle either.

problems <- character()
problem <- function(...) problems <<- c(problems, sprintf(...))

# --- src/ ---

rooms <- c( # the higher, the larger; equal numbers stand beside each other
  "inst/include" = 0, "core/platform" = 0, core = 1, r = 2, codec = 3, session = 4, threads = 5, pool = 5, "." = 6
)
# The order in core/ is told in its README.
core_order <- c("layout", "session", "participant", "doorbell", "guard", "heap", "reaper", "joining")

sources <- list.files("src", "[.](h|cpp)$", recursive = TRUE)
sources <- sources[!grepl("^core/tests/|^codec/fuzz/", sources)]

room_of <- function(file) {
  room <- dirname(file)
  if (startsWith(room, "core/platform")) "core/platform" else room
}
noun_of <- function(file) sub("[.](h|cpp)$", "", file)

# "a/../b" is "b"
tidy_path <- function(path) {
  while (grepl("[^/.]+/[.][.]/", path)) path <- sub("[^/.]+/[.][.]/", "", path)
  sub("^[.]/", "", path)
}

included_by <- function(file) {
  lines <- grep('^#include "', readLines(file.path("src", file)), value = TRUE)
  names <- sub('^#include "([^"]+)".*', "\\1", lines)
  vapply(names, function(name) {
    beside <- tidy_path(file.path(dirname(file), name))
    if (beside %in% sources) beside else tidy_path(name)
  }, "", USE.NAMES = FALSE)
}

arrows <- do.call(rbind, lapply(sources, function(file) {
  to <- included_by(file)
  if (length(to)) data.frame(from = file, to = to)
}))
arrows$from_room <- vapply(arrows$from, room_of, "")
arrows$to_room <- ifelse(grepl("inst/include/", arrows$to), "inst/include", vapply(arrows$to, room_of, ""))

for (i in seq_len(nrow(arrows))) {
  a <- arrows[i, ]
  known <- c(a$from_room, a$to_room) %in% names(rooms)
  if (!all(known)) {
    problem("src/%s: its folder is in no layer, add it to .ci/layers.R", if (known[1L]) a$to else a$from)
  } else if (a$from_room != a$to_room && rooms[[a$to_room]] >= rooms[[a$from_room]]) {
    problem("src/%s includes %s, which is not below it", a$from, a$to)
  }
}

# X.h, X.cpp and X_internal.h are one. An arrow is part of a circle if a path leads from its end to its beginning.
noun_of_arrow <- function(file) sub("_internal$", "", noun_of(file))
nouns <- unique(data.frame(from = noun_of_arrow(arrows$from), to = noun_of_arrow(arrows$to)))
nouns <- nouns[nouns$from != nouns$to, ]
reached_from <- function(noun) {
  found <- character()
  new <- nouns$to[nouns$from == noun]
  while (length(new)) {
    found <- c(found, new)
    new <- setdiff(nouns$to[nouns$from %in% new], found)
  }
  found
}
in_circle <- mapply(function(from, to) from %in% reached_from(to), nouns$from, nouns$to)
circles <- paste(nouns$from, "->", nouns$to)[in_circle]
if (length(circles)) problem("src/: a circle of includes: %s", toString(circles))

rank <- function(file) match(sub("_(internal|memory|report|runs)$", "", noun_of(file)), file.path("core", core_order))
low <- which(rank(arrows$to) > rank(arrows$from))
for (i in low) {
  problem("src/%s includes %s, which is above it in core", arrows$from[i], arrows$to[i])
}

# --- the operating system is called below core/platform/ alone ---

# But for these: R's signal handlers, the working folder, numbers of signals, a variable of R's.
calls_the_system <- c(
  "session/interrupts", "session/journal", "session/facts", "session/settings", "session/start_fork", "pool/owner", "pool/job_table",
  "pool/workers", "threads/helpers", "core/process", "core/programs"
)
system_header <-
  "^#include <(sys/|linux/|netinet/|arpa/|csignal|signal[.]h|unistd|pthread|fcntl|poll|sched|dlfcn|spawn|malloc[.]h)"
for (file in sources) {
  if (startsWith(file, "core/platform/") || noun_of(file) %in% calls_the_system) next
  found <- grep(system_header, readLines(file.path("src", file)), value = TRUE)
  found <- setdiff(found, "#include <sys/types.h>") # pid_t
  for (line in found) problem("src/%s: %s belongs below src/core/platform/", file, line)
}

# --- every header compiles alone ---

r_command <- file.path(R.home("bin"), "R")
config <- function(name) suppressWarnings(system2(r_command, c("CMD", "config", name), stdout = TRUE, stderr = FALSE))
compiler <- config("CXX17")
include <- function(package) paste0("-isystem ", shQuote(system.file("include", package = package)))
flags <- c(
  config("CXX17STD"), "-fsyntax-only -Wall -Wextra -Werror -x c++ -Isrc", config("--cppflags"),
  include("RcppParallel")
)
headers <- if (!"quick" %in% commandArgs(TRUE)) grep("[.]h$", sources, value = TRUE)
for (header in headers) {
  program <- tempfile(fileext = ".cpp")
  writeLines(sprintf('#include "%s"', normalizePath(file.path("src", header))), program)
  said <- suppressWarnings(system(paste(c(compiler, flags, program, "2>&1"), collapse = " "), intern = TRUE))
  if (length(said)) problem("src/%s does not compile alone: %s", header, grep("error|warning", said, value = TRUE)[1L])
  unlink(program)
}

# --- R/ ---

families <- c( # by the first part of the name; files that are not named here are of the base
  base = 0, child = 1, thread = 1, sync = 2, pool = 2, mc = 3, executor = 3, shared = 3, socket = 3, top = 4
)
of_all <- c("context", "preload", "revive", "multiprocessing-package") # they speak of everything

scripts <- list.files("R", "[.]R$", full.names = TRUE)
family_of <- function(file) {
  name <- sub("[.]R$", "", basename(file))
  first <- sub("-.*", "", name)
  if (name %in% of_all) "top" else if (first %in% names(families)) first else "base"
}
defined_in <- function(code) {
  unlist(lapply(code, function(x) {
    if (is.call(x) && identical(x[[1L]], quote(`<-`)) && is.name(x[[2L]])) as.character(x[[2L]])
  }))
}
code <- lapply(scripts, parse, keep.source = FALSE)
definitions <- lapply(code, defined_in)
home <- setNames(rep(seq_along(scripts), lengths(definitions)), unlist(definitions))
calls <- do.call(rbind, lapply(seq_along(scripts), function(i) {
  body <- as.call(c(as.name("{"), as.list(code[[i]])))
  used <- codetools::findGlobals(eval(call("function", NULL, body)), merge = TRUE)
  used <- used[used %in% names(home)]
  data.frame(from = rep(i, length(used)), to = unname(home[used]), name = used)
}))
for (k in seq_len(nrow(calls))) {
  from <- family_of(scripts[calls$from[k]])
  to <- family_of(scripts[calls$to[k]])
  if (from != to && families[[to]] >= families[[from]]) {
    problem("%s uses %s() of %s, which is not below it", scripts[calls$from[k]], calls$name[k], scripts[calls$to[k]])
  }
}

# --- files and functions that the documents name exist ---

texts <- c("CONTRIBUTING.md", "src/core/README.md")
files <- list.files(".", recursive = TRUE, all.files = TRUE)
files <- c(files, dirname(files))
src_text <- unlist(lapply(c(file.path("src", sources), scripts), readLines))
for (text in texts) {
  words <- unlist(regmatches(readLines(text), gregexpr("`[^` ]+`", readLines(text))))
  words <- unique(gsub("`", "", words, fixed = TRUE))
  names <- grep("^[A-Za-z0-9_./-]+[.](R|cpp|h|[*])$", words, value = TRUE)
  for (name in names) {
    if (grepl("NAME|forkserver", name)) next # a pattern, or where it would be
    pattern <- paste0("(^|/)", gsub("*", "(h|cpp|R)", gsub(".", "[.]", sub("^[.]/", "", name), fixed = TRUE), fixed = TRUE), "$")
    if (!any(grepl(pattern, files))) problem("%s names the file %s, which does not exist", text, name)
  }
  functions <- sub("^.*::", "", sub("[(][)]$", "", grep("^[A-Za-z_:]+[(][)]$", words, value = TRUE)))
  for (name in functions) {
    if (!any(grepl(paste0("\\b", name, "( <- function)?[(]"), src_text))) {
      problem("%s names %s(), which does not exist", text, name)
    }
  }
}

# --- what was found ---

between <- unique(arrows[arrows$from_room != arrows$to_room, c("from_room", "to_room")])
if ("arrows" %in% commandArgs(TRUE)) {
  cat(sprintf("%s -> %s\n", between$from_room, between$to_room), sep = "")
}
cat(sprintf(
  "layers: %d files of src/ in %d rooms with %d arrows between them, %d headers compiled alone, %d files of R/; %d problems\n",
  length(sources), length(unique(vapply(sources, room_of, ""))), nrow(between), length(headers), length(scripts),
  length(problems)
))
writeLines(paste(" ", problems))
if (length(problems)) quit(status = 1)
