# Draws the pictures of the pages and of the README, in vignettes/figures: `make figures`. They are drawings, not
# measurements; the measured pictures are made while a page is recorded, see record.R.

source("chapter/svg.R")
figures <- "vignettes/figures"

# -- The cores of a server, as htop shows them ------------------------------------------------

# 64 bars in four columns; `load` is how busy each core is, 0 to 1.
panel <- function(x, y, title, note, load) {
  column <- 42
  shapes <- c(
    box(x, y, 4 * column + 22, 214, "card"),
    text_at(x + 12, y + 24, title, 13.5, weight = "bold"),
    text_at(x + 12, y + 44, note, 12.5, class = "small")
  )
  for (core in seq_along(load) - 1) {
    at_x <- x + 12 + (core %/% 16) * column
    at_y <- y + 58 + (core %% 16) * 9
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
  write_svg(file, 594, 230, title, shapes)
}

draw_cores(
  "cores.svg",
  c("lapply(): 1 of 64 cores", "Pool(64)$map(): all 64", "afterwards: all idle"),
  c("63 cores wait for you", "every core computes", "waiting workers use no CPU"),
  "A server with 64 cores, before, during and after a parallel job"
)
draw_cores(
  "cores-zh.svg",
  c("lapply()：只用 1 个核", "Pool(64)：全部用上", "任务结束：全部空闲"),
  c("其余 63 个核在闲着", "每个核都在计算", "等待中的工作进程不占用 CPU"),
  "一台 64 核服务器：并行之前、期间和之后"
)

# -- What the processes of a session share ----------------------------------------------------

draw_heap <- function(file, title, session, session_note, worker, worker_note, heap, parts, notes) {
  shapes <- c(
    box(4, 8, 150, 88, "card"),
    text_at(79, 44, session, 16, anchor = "middle", weight = "bold"),
    text_at(79, 68, session_note, 12.5, "small", "middle"),
    unlist(lapply(0:2, function(i) {
      c(
        box(176 + i * 142, 8, 134, 88, "card"),
        text_at(243 + i * 142, 44, sprintf(worker, i + 1), 16, anchor = "middle", weight = "bold"),
        text_at(243 + i * 142, 68, worker_note, 12.5, "small", "middle"),
        arrow(233 + i * 142, 150, 233 + i * 142, 102), arrow(253 + i * 142, 102, 253 + i * 142, 150)
      )
    })),
    arrow(69, 102, 69, 150), arrow(89, 150, 89, 102),
    box(4, 156, 592, 132, "heap"),
    text_at(300, 182, heap, 15, anchor = "middle", weight = "bold"),
    unlist(lapply(0:3, function(i) {
      c(
        box(16 + i * 143, 200, 138, 72, "card"),
        text_at(85 + i * 143, 230, parts[i + 1], 14, anchor = "middle", weight = "bold"),
        text_at(85 + i * 143, 254, notes[i + 1], 11.5, "small", "middle")
      )
    }))
  )
  write_svg(file, 600, 296, title, shapes)
}

draw_heap(
  "heap.svg", "The processes of a session share one heap",
  "your R session", "sends and collects", "worker %d", "claims parts of a job",
  "one anonymous shared heap",
  c("job board", "results", "locks, queues", "large data"),
  c("no dispatcher process", "whole, or not at all", "recovered after a death", "one copy for all")
)
draw_heap(
  "heap-zh.svg", "同一会话的所有进程共用一块内存",
  "你的 R 会话", "提交任务，读取结果", "工作进程 %d", "自己领取任务块",
  "一块匿名的共享内存",
  c("任务板", "结果", "锁、队列、管道", "大数据"),
  c("没有调度进程", "要么完整，要么没有", "进程终止后自动恢复", "共用一份")
)
