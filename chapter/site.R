# Builds .build/site: the front pages, the articles, the help pages, a search, all in plain files that need no server.
#
#   Rscript chapter/site.R
#
# A page that others link to, such as CONTRIBUTING.md, is on the site as well. Every link within the site is followed in the
# end, and one that leads nowhere is an error; links to other places are listed.

out <- file.path(".build", "site")
# Each has a twin in Chinese, NAME-zh.
articles <- c(
  "multicore", "mclapply", "travels", "from-python", "from-future-mirai", "from-foreach", "cluster-node", "speed", "cpp", "faq"
)
reference <- list(
  "Pools" = c("Pool", "AsyncResult", "ProcessPoolExecutor", "Future"),
  "Processes" = c("Process", "current_process", "get_start_method", "log_to_stderr", "what-travels"),
  "Locks and other ways to wait" = c("Lock", "Semaphore", "Event", "Condition", "Barrier", "wait"),
  "Messages" = c("Queue", "JoinableQueue", "Pipe", "Listener"),
  "Shared data" = c("share", "Value", "Manager", "SharedMemory"),
  "The mclapply family" = c("mclapply", "mcmapply", "pvec", "mcparallel", "mc.reset.stream", "parallel-functions"),
  "Threads" = c("thread_map", "cpp_fun"),
  "Overviews" = c("multiprocessing-package", "python-names")
)

read_utf8 <- function(file) readLines(file, encoding = "UTF-8", warn = FALSE)
write_utf8 <- function(lines, file) writeLines(enc2utf8(lines), file, useBytes = TRUE)
escape <- function(text) gsub("<", "&lt;", gsub("&", "&amp;", text, fixed = TRUE), fixed = TRUE)
plain_text <- function(html) {
  html <- gsub("<(style|script|svg)[^>]*>.*?</\\1>", " ", html, perl = TRUE)
  text <- gsub("<[^>]+>", " ", html)
  for (code in list(c("&lt;", "<"), c("&gt;", ">"), c("&quot;", "\""), c("&amp;", "&"))) text <- gsub(code[1], code[2], text, fixed = TRUE)
  trimws(gsub("[[:space:]]+", " ", text))
}
# Each match of a pattern replaced by what `f` makes of it.
replace_each <- function(text, pattern, f) {
  found <- gregexpr(pattern, text, perl = TRUE)
  regmatches(text, found) <- lapply(regmatches(text, found), function(parts) vapply(parts, f, "", USE.NAMES = FALSE))
  text
}

# -- Markdown ---------------------------------------------------------------------------------

# The name on the site of a file of the repository.
site_name <- function(file) {
  if (file == "README.md") return("index.html")
  if (file == "README.zh.md") return("index-zh.html")
  name <- sub("[.]R?md$", "", file)
  name <- if (startsWith(name, "vignettes/")) basename(name) else gsub("/", "-", sub("^inst/", "", sub("/README$", "", name)))
  paste0(tolower(name), ".html")
}

# Headings get the names that links use: "One minute" is #one-minute.
name_headings <- function(html) {
  replace_each(html, "<h([1-6])[^>]*>.*?</h\\1>", function(heading) {
    slug <- gsub(" ", "-", gsub("[^[:alnum:]_ -]", "", tolower(plain_text(heading))))
    sub("^<h([1-6])[^>]*>", sprintf('<h\\1 id="%s">', slug), heading)
  })
}

# Where a link of a page leads: a page of the site, a copied file, or elsewhere. Pages that are found are added to `todo`.
todo <- character()
follow <- function(link, from) {
  if (grepl("^([a-z]+:|#|//)", link)) return(link)
  anchor <- if (grepl("#", link)) sub("^[^#]*", "", link) else ""
  path <- file.path(dirname(from), sub("#.*$", "", link))
  path <- sub("^[.]/", "", sub(paste0(normalizePath("."), "/"), "", normalizePath(path, mustWork = FALSE), fixed = TRUE))
  if (dir.exists(path) && file.exists(file.path(path, "README.md"))) path <- file.path(path, "README.md")
  if (dir.exists(path) || !file.exists(path)) return(paste0("missing:", link, " (in ", from, ")"))
  if (grepl("[.]R?md$", path)) {
    todo <<- union(todo, path)
    return(paste0(site_name(path), anchor))
  }
  target <- file.path("files", path)
  dir.create(file.path(out, dirname(target)), recursive = TRUE, showWarnings = FALSE)
  file.copy(path, file.path(out, target), overwrite = TRUE)
  target
}

# The code of a page runs in an R of its own.
fuse_text <- function(lines) {
  run <- function(lines, data) {
    setwd(tempdir())
    file.copy(data, ".")
    litedown::fuse(text = lines, output = "markdown", envir = globalenv(), quiet = TRUE)
  }
  callr::r(run, list(lines, normalizePath(file.path("vignettes", c("bench.csv", "numbers.R")))), libpath = .libPaths(), env = c(callr::rcmd_safe_env(), LC_ALL = "C.UTF-8", NO_COLOR = "1"))
}

as_html <- function(file) {
  lines <- read_utf8(file)
  title <- NULL
  if (grepl("[.]Rmd$", file)) {
    header <- lines[seq_len(which(lines == "---")[2])]
    title <- gsub("^title: *\"?|\"$", "", grep("^title:", header, value = TRUE))
    body <- fuse_text(lines[-seq_along(header)])
    lines <- c(paste("#", title), "", unlist(strsplit(body, "\n", fixed = TRUE)))
  }
  lines <- lines[!grepl("^<!-- .* -->$", lines)]
  html <- litedown::mark(text = lines, output = "html", options = "-standalone-embed_resources")
  html <- name_headings(paste(html, collapse = "\n"))
  html <- replace_each(html, "(?<=href=\"|src=\")[^\"]+(?=\")", function(link) follow(link, file))
  list(title = if (is.null(title)) plain_text(regmatches(html, regexpr("<h1.*?</h1>", html, perl = TRUE))) else title, html = html)
}

# -- Help pages -------------------------------------------------------------------------------

rd_tags <- function(rd, tag) unlist(lapply(rd, function(part) if (identical(attr(part, "Rd_tag"), tag)) trimws(paste(unlist(part), collapse = ""))))

read_help <- function() {
  files <- list.files("man", "[.]Rd$", full.names = TRUE)
  parsed <- lapply(files, tools::parse_Rd)
  names(parsed) <- sub("[.]Rd$", "", basename(files))
  parsed
}

help_page <- function(name) paste0("help-", name, ".html")

help_html <- function(rd, name, links) {
  file <- tempfile()
  suppressWarnings(tools::Rd2HTML(rd, file, stages = c("build", "install", "render"), Links = links, Links2 = c(none = NA_character_), package = "multiprocessing"))
  html <- paste(read_utf8(file), collapse = "\n")
  html <- sub("(?s)^.*?<h2", "<h2", html, perl = TRUE)
  html <- sub("(?s)<hr[^>]*><div[^>]*>.*$|(?s)</div>\\s*</body>.*$", "", html, perl = TRUE)
  html <- gsub("(?s)<a href=[\"'][.][.]/[.][.]/[^>]*>(.*?)</a>", "\\1", html, perl = TRUE) # other packages' pages
  html <- gsub("language-R", "language-r", html, fixed = TRUE)
  html <- gsub("<(/?)h3>", "<\\1h2>", gsub("<(/?)h2>", "<\\1h1>", html))
  paste0("<p class=\"topic\">?", escape(name), "</p>\n", html)
}

# -- The frame around a page ------------------------------------------------------------------

page_titles <- character()
search_index <- list()

# The same page in the other language, or that language's front page
twin_of <- function(file, lang) {
  twin <- if (lang == "zh") sub("-zh[.]html$", ".html", file) else sub("[.]html$", "-zh.html", file)
  name <- sub("(-zh)?[.]html$", "", file)
  if (name %in% c("index", "articles", articles)) twin else if (lang == "zh") "index.html" else "index-zh.html"
}

write_page <- function(file, title, html, lang = "en") {
  menu <- if (lang == "zh") {
    c("index-zh.html" = "首页", "multicore-zh.html" = "教程", "articles-zh.html" = "文章", "reference.html" = "函数", "news.html" = "更新", twin = "English")
  } else {
    c("index.html" = "Home", "multicore.html" = "Tutorial", "articles.html" = "Articles", "reference.html" = "Reference", "news.html" = "News", twin = "中文")
  }
  names(menu)[names(menu) == "twin"] <- twin_of(file, lang)
  links <- sprintf('<a href="%s"%s>%s</a>', names(menu), ifelse(names(menu) == file, ' aria-current="page"', ""), menu)
  word <- if (lang == "zh") "搜索" else "Search"
  write_utf8(c(
    "<!DOCTYPE html>", sprintf('<html lang="%s"><head><meta charset="utf-8">', if (lang == "zh") "zh-CN" else lang),
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    sprintf("<title>%s</title>", escape(if (title == "multiprocessing") title else paste(title, "- multiprocessing"))),
    '<link rel="stylesheet" href="page.css"><link rel="stylesheet" href="site.css"></head><body>',
    "<header><nav>", links, "</nav>",
    sprintf('<input id="search" type="search" placeholder="%s" aria-label="%s" autocomplete="off">', word, word),
    '<div id="found" hidden></div></header><main>', html, "</main>",
    '<script src="search-index.js"></script><script src="site.js"></script><script src="page.js"></script></body></html>'
  ), file.path(out, file))
  page_titles[[file]] <<- title
  text <- plain_text(html)
  search_index[[length(search_index) + 1L]] <<- list(file = file, title = title, text = text)
}

as_json <- function(text) {
  text <- gsub("\\", "\\\\", text, fixed = TRUE)
  paste0('"', gsub("<", "\\u003c", gsub("\"", "\\\"", gsub("[\n\t\r]", " ", text), fixed = TRUE), fixed = TRUE), '"')
}

# -- All of it --------------------------------------------------------------------------------

build <- function() {
  unlink(out, recursive = TRUE)
  dir.create(out, recursive = TRUE)
  stopifnot(file.copy(c("vignettes/page.css", "vignettes/page.js", "chapter/site/site.css", "chapter/site/site.js"), out))

  todo <<- c("README.md", "README.zh.md", "NEWS.md", file.path("vignettes", paste0(c(articles, paste0(articles, "-zh")), ".Rmd")))
  done <- character()
  while (length(left <- setdiff(todo, done))) {
    page <- as_html(left[1L])
    lang <- if (grepl("zh[.]R?md$", left[1L])) "zh" else "en"
    write_page(site_name(left[1L]), page$title, page$html, lang)
    done <- c(done, left[1L])
  }

  list_articles <- function(names, file, heading, lang) {
    pages <- paste0(names, ".html")
    items <- sprintf('<li><a href="%s">%s</a></li>', pages, escape(page_titles[pages]))
    write_page(file, heading, paste(c("<h1>", heading, "</h1><ul>", items, "</ul>"), collapse = "\n"), lang)
  }
  list_articles(articles, "articles.html", "Articles", "en")
  list_articles(paste0(articles, "-zh"), "articles-zh.html", "文章", "zh")

  help <- read_help()
  links <- unlist(lapply(names(help), function(name) {
    aliases <- rd_tags(help[[name]], "\\alias")
    setNames(rep(help_page(name), length(aliases)), aliases)
  }))
  groups <- lapply(reference, intersect, names(help))
  forgotten <- setdiff(names(help), unlist(groups))
  if (length(forgotten)) {
    cat("Not in a group of the reference, see the top of chapter/site.R: ", paste(forgotten, collapse = ", "), "\n", sep = "")
    groups$More <- forgotten
  }
  index <- "<h1>Reference</h1>"
  for (group in names(groups)) {
    index <- c(index, sprintf("<h2>%s</h2><ul class=\"reference\">", group), vapply(groups[[group]], function(name) {
      aliases <- setdiff(rd_tags(help[[name]], "\\alias"), c(paste0(name, "-package"), "multiprocessing"))
      aliases <- grep("^(with|print)[.]", aliases, value = TRUE, invert = TRUE)
      sprintf(
        '<li><a href="%s"><code>%s</code></a><br>%s</li>', help_page(name), escape(paste(utils::head(aliases, 8), collapse = ", ")),
        escape(rd_tags(help[[name]], "\\title"))
      )
    }, ""), "</ul>")
  }
  write_page("reference.html", "Reference", paste(index, collapse = "\n"))
  for (name in names(help)) write_page(help_page(name), rd_tags(help[[name]], "\\title"), help_html(help[[name]], name, links))

  rows <- vapply(search_index, function(p) sprintf("{u:%s,t:%s,x:%s}", as_json(p$file), as_json(p$title), as_json(p$text)), "")
  write_utf8(c("const pages = [", paste0(rows, ","), "];"), file.path(out, "search-index.js"))
}

# -- Every link -------------------------------------------------------------------------------

links_of <- function(html) {
  html <- gsub("(?s)<pre.*?</pre>", "", html, perl = TRUE)
  unlist(regmatches(html, gregexpr("(?<=href=\"|href='|src=\"|src=')[^\"']+(?=[\"'])", html, perl = TRUE)))
}

check_links <- function() {
  files <- list.files(out, "[.]html$")
  texts <- setNames(lapply(files, function(file) paste(read_utf8(file.path(out, file)), collapse = "\n")), files)
  ids <- lapply(texts, function(text) unlist(regmatches(text, gregexpr("(?<=id=\"|id='|name=\"|name=')[^\"']+", text, perl = TRUE))))
  broken <- character()
  outside <- character()
  followed <- 0
  for (file in files) {
    for (link in unique(links_of(texts[[file]]))) {
      if (grepl("^(https?:|mailto:)", link)) {
        outside <- union(outside, link)
        next
      }
      followed <- followed + 1
      target <- sub("#.*$", "", link)
      if (!nzchar(target)) target <- file
      anchor <- if (grepl("#", link)) utils::URLdecode(sub("^[^#]*#", "", link)) else ""
      Encoding(anchor) <- "UTF-8"
      there <- file.exists(file.path(out, target)) && (!nzchar(anchor) || anchor %in% ids[[target]])
      if (!there) broken <- c(broken, paste0(file, ": ", link))
    }
  }
  cat(length(files), "pages in", out, "-", followed, "links followed,", length(broken), "lead nowhere\n")
  if (length(outside)) cat("Links to other places, not followed:\n", paste0("  ", outside, "\n"), sep = "")
  if (length(broken)) {
    cat("Broken:\n", paste0("  ", broken, "\n"), sep = "")
    quit(status = 1)
  }
}

for (package in c("litedown", "callr")) {
  if (!requireNamespace(package, quietly = TRUE)) {
    cat("The site is not built: it needs package ", package, ", which is not installed here.\n", sep = "")
    quit(status = 0)
  }
}
build()
check_links()
