# Shapes of the pictures: each function gives lines of SVG. Used by drawings.R, speed.R and the pages' own figures. A phone shows
# a picture 358 pixels wide: so that its text stays larger than 10 pixels there, pictures of 400 have text of 13 or more, those
# of 600 text of 17 or more.

font <- "ui-sans-serif, system-ui, 'Noto Sans CJK SC', 'Source Han Sans SC', 'PingFang SC', 'Microsoft YaHei', sans-serif"

# The colours of a picture follow the reader's choice of light or dark.
style <- sprintf("<style>
  text { font-family: %s; fill: #24292f; }
  .small { fill: #57606a; }
  .card { fill: #f6f8fa; stroke: #d0d7de; }
  .track { fill: #e6e9ed; }
  .busy { fill: #1a7f37; }
  .idle { fill: #9aa4ae; }
  .heap { fill: #ddf4ff; stroke: #54aeff; }
  .arrow { stroke: #57606a; fill: none; stroke-width: 1.5; }
  .head { fill: #57606a; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .small { fill: #9da7b3; }
    .card { fill: #161b22; stroke: #3d444d; }
    .track { fill: #2a313a; }
    .busy { fill: #3fb950; }
    .idle { fill: #6e7681; }
    .heap { fill: #0c2d4e; stroke: #388bfd; }
    .arrow { stroke: #9da7b3; }
    .head { fill: #9da7b3; }
  }
</style>", font)

text_at <- function(x, y, label, size = 14, class = "", anchor = "start", weight = "normal") {
  label <- gsub("<", "&lt;", gsub("&", "&amp;", label, fixed = TRUE), fixed = TRUE)
  sprintf(
    '<text x="%g" y="%g" font-size="%g" class="%s" text-anchor="%s" font-weight="%s">%s</text>',
    x, y, size, class, anchor, weight, label
  )
}

box <- function(x, y, width, height, class, radius = 6) {
  sprintf('<rect x="%g" y="%g" width="%g" height="%g" rx="%g" class="%s"/>', x, y, width, height, radius, class)
}

arrow <- function(x1, y1, x2, y2) {
  angle <- atan2(y2 - y1, x2 - x1)
  side <- function(turn) c(x2 - 9 * cos(angle + turn), y2 - 9 * sin(angle + turn))
  points <- rbind(c(x2, y2), side(0.4), side(-0.4))
  c(
    sprintf('<line x1="%g" y1="%g" x2="%g" y2="%g" class="arrow"/>', x1, y1, x2, y2),
    sprintf('<polygon points="%s" class="head"/>', paste(sprintf("%.1f,%.1f", points[, 1], points[, 2]), collapse = " "))
  )
}

write_svg <- function(name, width, height, title, shapes) {
  writeLines(c(
    sprintf(
      '<svg xmlns="http://www.w3.org/2000/svg" xml:lang="%s" width="%g" height="%g" viewBox="0 0 %g %g" role="img">',
      if (endsWith(name, "-zh.svg")) "zh-CN" else "en", width, height, width, height
    ),
    sprintf("<title>%s</title>", title), style, shapes, "</svg>"
  ), file.path(figures, name), useBytes = TRUE)
}
