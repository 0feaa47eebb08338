# Objects of well-known packages go to workers, behave there and come back, with their package loaded and not attached.
objects <- list(
  survival = quote(survival::Surv(c(1, 2), c(1, 0))), hms = quote(hms::hms(3661)), zoo = quote(zoo::as.yearmon("2020-03")),
  lubridate = quote(lubridate::days(2) + lubridate::days(2)), data.table = quote(data.table::data.table(a = 1:2, b = c("x", "y"))),
  sf = quote(sf::st_sfc(sf::st_point(c(1, 2)))), Matrix = quote(Matrix::Matrix(c(0, 1, 0, 2), 2, sparse = TRUE)),
  igraph = quote(igraph::make_ring(3)), bit64 = quote(bit64::as.integer64(5)), rlang = quote(rlang::quo(a + 1)),
  glue = quote(glue::glue("a{1 + 1}")), vctrs = quote(vctrs::new_rcrd(list(a = 1:2))), ggplot2 = quote(ggplot2::aes(x, y)),
  mgcv = quote(mgcv::s), R6 = quote(R6::R6Class("A", public = list(n = 1))$new()), xts = quote(xts::xts(1:2, as.Date(c(1, 2), origin = "1970-01-01"))),
  recipes = quote(recipes::recipe(mpg ~ cyl, datasets::mtcars)), dplyr = quote(dplyr::group_by(data.frame(a = 1:2), a)),
  lme4 = quote(lme4::lmer(Reaction ~ Days + (1 | Subject), lme4::sleepstudy)), tibble = quote(tibble::tibble(a = 1:2))
)

shown <- function(x) {
  text <- tryCatch(format(x), error = function(e) "no format")
  list(class(x), tryCatch(length(x), error = function(e) NA), if (is.character(text)) text[nchar(text) < 100], dim(x))
}

test_that("objects of packages behave in workers as they do here, and come back", {
  skip_on_cran()
  environment(shown) <- globalenv()
  pools <- list(local_pool(1, context = "fork"), local_pool(1, context = "spawn"))
  for (package in names(objects)) {
    if (!requireNamespace(package, quietly = TRUE)) next
    x <- suppressWarnings(suppressMessages(eval(objects[[package]], globalenv())))
    for (pool in pools) {
      back <- suppressMessages(pool$map(shown, list(x))[[1L]])
      same <- shown(x)
      same[[3L]] <- same[[3L]][!grepl("0x|environment", same[[3L]])]
      back[[3L]] <- back[[3L]][!grepl("0x|environment", back[[3L]])]
      expect_identical(back, same, label = package)
      expect_identical(class(pool$apply(identity, list(x))), class(x), label = package)
    }
  }
})
