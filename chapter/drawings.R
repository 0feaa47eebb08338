# Draws the pictures of the pages and of the README, in vignettes/figures: `make figures`. They are drawings, not
# measurements; the measured pictures are made while a page is recorded, see record.R.

source("chapter/svg.R")
figures <- "vignettes/figures"

# -- The cores of a server, as htop shows them ------------------------------------------------

# 64 bars in four columns; `load` is how busy each core is, 0 to 1.
panel <- function(x, y, title, note, load) {
  column <- 42
  shapes <- c(
    box(x, y, 4 * column + 22, 224, "card"),
    text_at(x + 12, y + 29, title, 20, weight = "bold"),
    text_at(x + 12, y + 54, note, 18, class = "small")
  )
  for (core in seq_along(load) - 1) {
    at_x <- x + 12 + (core %/% 16) * column
    at_y <- y + 69 + (core %% 16) * 9
    full <- column - 6
    busy <- full * load[core + 1]
    shapes <- c(
      shapes, box(at_x, at_y, full, 6, "track", 2),
      if (busy > 0) box(at_x, at_y, busy, 6, if (load[core + 1] > 0.5) "busy" else "idle", 2)
    )
  }
  shapes
}

draw_cores <- function(file, titles, notes, title) {
  set.seed(20)
  idle <- round(runif(64, 0, 0.04), 3)
  one <- replace(idle, 23, 1)
  all <- round(runif(64, 0.96, 1), 3)
  load <- list(one, all, idle)
  shapes <- unlist(lapply(1:3, function(i) panel(4 + (i - 1) * 198, 8, titles[i], notes[i], load[[i]])))
  write_svg(file, 594, 240, title, shapes)
}

draw_cores(
  "cores.svg",
  c("lapply()", "Pool(64)", "afterwards"),
  c("1 of 64 cores busy", "64 of 64 cores busy", "all cores idle"),
  "A server with 64 cores, before, during and after a parallel job"
)
draw_cores(
  "cores-zh.svg",
  c("lapply()", "Pool(64)", "任务结束后"),
  c("64 个核只忙 1 个", "64 个核全都在忙", "全部空闲"),
  "一台 64 核服务器：并行之前、期间和之后"
)

# -- What the processes of a session share ----------------------------------------------------

draw_heap <- function(file, title, session, session_note, worker, worker_note, heap, parts, notes) {
  shapes <- c(
    box(4, 8, 150, 88, "card"),
    text_at(79, 46, session, 19, anchor = "middle", weight = "bold"),
    text_at(79, 74, session_note, 17, "small", "middle"),
    unlist(lapply(0:2, function(i) {
      c(
        box(176 + i * 142, 8, 134, 88, "card"),
        text_at(243 + i * 142, 46, sprintf(worker, i + 1), 19, anchor = "middle", weight = "bold"),
        text_at(243 + i * 142, 74, worker_note, 17, "small", "middle"),
        arrow(233 + i * 142, 150, 233 + i * 142, 102), arrow(253 + i * 142, 102, 253 + i * 142, 150)
      )
    })),
    arrow(69, 102, 69, 150), arrow(89, 150, 89, 102),
    box(4, 156, 592, 132, "heap"),
    text_at(300, 184, heap, 19, anchor = "middle", weight = "bold"),
    unlist(lapply(0:3, function(i) {
      c(
        box(16 + i * 143, 200, 138, 72, "card"),
        text_at(85 + i * 143, 230, parts[i + 1], 17, anchor = "middle", weight = "bold"),
        text_at(85 + i * 143, 257, notes[i + 1], 17, "small", "middle")
      )
    }))
  )
  write_svg(file, 600, 296, title, shapes)
}

draw_heap(
  "heap.svg", "The processes of a session share one heap",
  "your session", "sends, collects", "worker %d", "claims tasks",
  "one anonymous shared heap",
  c("job board", "results", "locks, queues", "large data"),
  c("no dispatcher", "whole or none", "survive a kill", "one copy")
)
draw_heap(
  "heap-zh.svg", "同一会话的所有进程共用一块内存",
  "你的 R 会话", "提交和收取", "工作进程 %d", "领取任务",
  "一块匿名的共享内存",
  c("任务板", "结果", "锁、队列", "大数据"),
  c("没有调度进程", "完整才可见", "自动恢复", "共用一份")
)
