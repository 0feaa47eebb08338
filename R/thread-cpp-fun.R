#' Compile a C++ function for threads
#'
#' Compiles a small function once per session, for [thread_map()] and [thread_reduce()]. The loop around it is compiled with
#' it, so it costs no more than one written by hand.
#'
#' The last function in `code` is taken; there may be helpers, constants and `#include`s before it. It is one of
#'
#' | signature | for |
#' |---|---|
#' | `double f(double x)` | `thread_map()`, element by element |
#' | `int f(int x)` | the same for integers and logicals; `NA` is not given to it and stays `NA` |
#' | `double f(double a, double b)` | `thread_reduce()`; brackets must not matter, as in a sum |
#' | `double f(const double* x, size_t n)` | `thread_map()` with a `margin`: one number of a row or column |
#' | `void f(const double* x, double* out, size_t n)` | `thread_map()` with a `margin`: a row or column of another one |
#'
#' It runs in several threads at once: it must not call R, and what it keeps (static variables) must be safe for threads.
#' A double `NA` is a NaN to it and comes out of arithmetic as `NA`. An exception that it throws becomes an R error.
#'
#' @param code C++17 code, a character vector: `"double f(double x) { return x * x; }"`. The headers of Rcpp (if it is
#'   installed) and of this package can be included.
#' @return An object to be given as `fun`: an external pointer. It is good in this process and in those forked from it; a
#'   fresh R compiles it again from `cat(attr(f, "code"))`.
#' @section Errors: `CompileError` with the compiler's message, in which line 1 is the first line of `code`; fields `output`,
#'   the lines of the compiler, and `code`. `ValueError` if there is no function in `code`.
#' @section Python: `numba.vectorize(target = "parallel")`.
#' @seealso [thread_map()] and [thread_reduce()], which call it.
#' @concept compile C++
#' @concept threads
#' @examples
#' \donttest{
#' cube <- cpp_fun("double cube(double x) { return x * x * x; }")
#' thread_map(c(1, 2, NA), cube)
#' longest <- cpp_fun("double longest(double a, double b) { return a > b ? a : b; }")
#' thread_reduce(c(3, 1, 4, 1, 5), longest)
#' }
#' @export
cpp_fun <- function(code) {
  if (missing(code)) missing_argument("code")
  if (!is.character(code) || length(code) == 0L || anyNA(code)) {
    abort("ValueError", sprintf("`code` must be C++ code as text, not %s", describe_value(code)))
  }
  code <- paste(code, collapse = "\n")
  key <- enc2utf8(code)
  fun <- if (nzchar(key)) compiled[[key]]
  if (is.null(fun)) {
    fun <- compile_fun(code)
    compiled[[key]] <- fun
  }
  fun
}

# What was compiled in this session, by its code. A list: names of an environment may have 10,000 bytes at most.
compiled <- new.env(parent = emptyenv())

compile_fun <- function(code) {
  name <- last_function(code)
  folder <- tempfile("cpp_fun_") # forked processes share a tempdir, and a tempfile names its process
  dir.create(folder)
  on.exit(unlink(folder, recursive = TRUE))
  writeLines(enclose_code(code, name), file.path(folder, "fun.cpp"), useBytes = TRUE)
  library_file <- file.path(folder, paste0(basename(folder), .Platform$dynlib.ext))
  output <- run_compiler(folder, basename(library_file))
  if (!file.exists(library_file)) abort("CompileError", compile_message(output, name), output = output, code = code)
  library <- dyn.load(library_file)
  fun <- .Call(`_multiprocessing_made_kernel`, getNativeSymbolInfo("multiprocessing_make_fun", library)$address)
  structure(fun, class = "cpp_fun", code = code)
}

# The name that stands before the last "(...) {" outside of braces. Comments and texts are blanked first.
last_function <- function(code) {
  no_code <- "(?s)/\\*.*?\\*/|//[^\n]*|\"(\\\\.|[^\"\\\\])*\"|'(\\\\.|[^'\\\\])+'|(?m)^\\s*#[^\n]*"
  bare <- gsub(no_code, " ", code, perl = TRUE)
  repeat { # what is inside of braces is no function of its own
    flat <- gsub("\\{[^{}]*\\}", ";;", bare)
    if (identical(flat, bare)) break
    bare <- flat
  }
  a_function <- "[A-Za-z_]\\w*\\s*\\([^()]*\\)\\s*(noexcept)?\\s*(?=;;|\\{)"
  found <- regmatches(bare, gregexpr(a_function, bare, perl = TRUE))[[1L]]
  if (length(found) == 0L) {
    abort("ValueError", "there is no function in `code`: write for example \"double f(double x) { return x * x; }\"")
  }
  sub("\\s*\\(.*$", "", found[length(found)])
}

# The user's lines keep their numbers in what the compiler says.
enclose_code <- function(code, name) {
  c(
    "#include <multiprocessing/kernel.h>",
    "#include <algorithm>",
    "#include <cmath>",
    "#include <cstddef>",
    "#include <cstdint>",
    "#include <stdexcept>",
    "using std::size_t;",
    "#line 1 \"code\"",
    code,
    "#line 1 \"cpp_fun\"",
    "extern \"C\" __attribute__((visibility(\"default\")))",
    sprintf("SEXP multiprocessing_make_fun() { return multiprocessing::kernel<&%s>(); }", name)
  )
}

run_compiler <- function(folder, target) {
  include <- c(system.file("include", package = "multiprocessing"), system.file("include", package = "Rcpp"))
  include <- include[nzchar(include)]
  folders <- paste0("-I\"", include, "\"", collapse = " ")
  writeLines(
    c("CXX_STD = CXX17", "PKG_CXXFLAGS = -fvisibility=hidden", paste("PKG_CPPFLAGS =", folders)),
    file.path(folder, "Makevars")
  )
  before <- setwd(folder)
  on.exit(setwd(before))
  suppressWarnings(system2(
    file.path(R.home("bin"), "R"), c("CMD", "SHLIB", "-o", target, "fun.cpp"),
    stdout = TRUE, stderr = TRUE, env = c("R_TESTS=''", "LC_ALL=C")
  ))
}

# The compiler's own lines from the first error on, without those of make.
compile_message <- function(output, name) {
  if (any(grepl("the function must be one of", output, fixed = TRUE))) { # kernel.h says so
    return(sprintf(paste0(
      "`%s`, the last function in `code`, has arguments or a value of other types than these:\n",
      "double f(double x), int f(int x), double f(double a, double b),\n",
      "double f(const double* x, size_t n), void f(const double* x, double* out, size_t n)"
    ), name))
  }
  errors <- grep("error:|not found|cannot", output)
  shown <- if (length(errors)) output[errors[1L]:length(output)] else output
  shown <- utils::head(shown[!grepl("^make|^g\\+\\+|^clang", shown)], 20L)
  paste(c("the C++ code does not compile:", shown), collapse = "\n")
}

#' @export
print.cpp_fun <- function(x, ...) {
  cat("<cpp_fun>\n", attr(x, "code"), "\n", sep = "")
  invisible(x)
}
