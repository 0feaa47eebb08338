#' Compile a C++ function for threads
#'
#' Compiles a small function once per session, for [thread_map()] and [thread_reduce()]. The loop around it is compiled with
#' it, so it costs no more than one written by hand.
#'
#' The last function in `code` counts; helpers, constants and `#include`s may stand before it. It is one of
#'
#' | signature | for |
#' |---|---|
#' | `double f(double x)` | `thread_map()`, element by element |
#' | `int f(int x)` | the same for integers and logicals; `NA` is not given to it and stays `NA` |
#' | `double f(double a, double b)` | `thread_reduce()`; it must be associative, as a sum is |
#' | `double f(const double* x, size_t n)` | `thread_map()` with a `margin`: one number of a row or column |
#' | `void f(const double* x, double* out, size_t n)` | `thread_map()` with a `margin`: a row or column of another one |
#'
#' It runs in several threads at once: it must not call R, and what it keeps (static variables) must be safe for threads.
#' A double `NA` is a NaN to it and comes out of arithmetic as `NA`. An exception that it throws becomes an R error.
#'
#' @param code C++17 code, a character vector: `"double f(double x) { return x * x; }"`. It can include the headers of Rcpp (if it
#'   is installed) and of this package.
#' @param depends names of packages whose headers `code` includes, such as `"RcppArmadillo"` or `"BH"`: as
#'   `// [[Rcpp::depends()]]` for `Rcpp::sourceCpp()`.
#' @return An object to be given as `fun`: an external pointer. It is valid in this process and in processes forked from it; a
#'   fresh R compiles it again: `cpp_fun(attr(f, "code"))`.
#' @section Errors: `CompileError` with the compiler's message, in which line 1 is the first line of `code`; fields `output`,
#'   the lines of the compiler, and `code`. `ValueError` if `code` has no function, or a package of `depends` is not installed.
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
#' # with the headers of another package
#' if (nzchar(system.file(package = "RcppArmadillo"))) {
#'   size <- cpp_fun(c(
#'     "#include <RcppArmadillo.h>",
#'     "double size(const double* x, size_t n) {",
#'     "  return arma::norm(arma::vec(const_cast<double*>(x), n, false));",
#'     "}"
#'   ), depends = "RcppArmadillo")
#'   print(thread_map(matrix(c(3, 4, 6, 8), 2), size, margin = 2))
#' }
#' }
#' @export
cpp_fun <- function(code, depends = NULL) {
  if (missing(code)) missing_argument("code")
  if (!is.character(code) || length(code) == 0L || anyNA(code)) {
    abort("ValueError", sprintf("`code` must be C++ code as text, not %s", describe_value(code)))
  }
  if (!is.null(depends) && (!is.character(depends) || anyNA(depends))) {
    abort("ValueError", sprintf("`depends` must be names of packages, not %s", describe_value(depends)))
  }
  code <- paste(code, collapse = "\n")
  key <- if (nzchar(code)) paste(c(enc2utf8(code), sort(unique(depends))), collapse = "\n//")
  fun <- if (!is.null(key)) compiled[[key]]
  if (is.null(fun)) {
    fun <- compile_fun(code, compiler_settings(depends))
    compiled[[key]] <- fun
  }
  fun
}

# What was compiled in this session, by its code and the packages that it needs. A list: names of an environment may have 10,000 bytes at most.
compiled <- new.env(parent = emptyenv())

# What the compiler needs for the packages in `depends`: their headers, and what they tell Rcpp's users by their plugin
compiler_settings <- function(depends) {
  folders <- c("multiprocessing", "Rcpp")
  variables <- list()
  for (package in depends) {
    if (!requireNamespace(package, quietly = TRUE)) {
      abort("ValueError", sprintf("`depends`: package \"%s\" is not installed; install.packages(\"%s\") installs it", package, package))
    }
    plugin <- get0("inlineCxxPlugin", asNamespace(package), mode = "function", inherits = FALSE)
    said <- if (!is.null(plugin)) plugin()
    folders <- c(folders, package, said$LinkingTo)
    for (name in intersect(names(said$env), c("PKG_CXXFLAGS", "PKG_CPPFLAGS", "PKG_LIBS"))) {
      variables[[name]] <- paste(c(variables[[name]], said$env[[name]]), collapse = " ")
    }
  }
  include <- vapply(unique(folders), function(package) system.file("include", package = package), "")
  include <- paste0("-I\"", include[nzchar(include)], "\"", collapse = " ")
  c(
    "CXX_STD = CXX17",
    paste("PKG_CXXFLAGS = -fvisibility=hidden", variables$PKG_CXXFLAGS),
    paste("PKG_CPPFLAGS =", include, variables$PKG_CPPFLAGS),
    paste("PKG_LIBS =", variables$PKG_LIBS)
  )
}

compile_fun <- function(code, settings) {
  name <- last_function(code)
  folder <- tempfile("cpp_fun_") # forked processes share a tempdir, and a tempfile names its process
  dir.create(folder)
  on.exit(unlink(folder, recursive = TRUE))
  writeLines(enclose_code(code, name), file.path(folder, "fun.cpp"), useBytes = TRUE)
  library_file <- file.path(folder, paste0(basename(folder), .Platform$dynlib.ext))
  writeLines(settings, file.path(folder, "Makevars"))
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
  repeat { # a function inside braces is not the one that we look for
    flat <- gsub("\\{[^{}]*\\}", ";;", bare)
    if (identical(flat, bare)) break
    bare <- flat
  }
  a_function <- "[A-Za-z_]\\w*\\s*\\([^()]*\\)\\s*(noexcept)?\\s*(?=;;|\\{)"
  found <- regmatches(bare, gregexpr(a_function, bare, perl = TRUE))[[1L]]
  if (length(found) == 0L) {
    abort("ValueError", "no function found in `code`; write for example \"double f(double x) { return x * x; }\"")
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
