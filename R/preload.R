# What the start of every child uses. R reads a package's functions from the disk when they are first looked at, and
# each child would do so for itself; called before the first fork.
load_for_children <- function() {
  for (name in c("mcexit", "mcinteractive")) parallels_own(name)
  list(
    enquote, leave_by_quit, enter_child, forget_frames, forget_random_state, begin_session, apply_needs, process_main,
    run_and_publish, ignore_interrupt, job_main, job_resume, fork_map_worker, fork_map_resume, fork_worker_names,
    leave_family, worker_main, worker_begin, worker_loop, worker_run, worker_frame, with_function, new_frame, call_in,
    each_call, start_stream, assign_seed, current_seed, skip_substreams, set_interactive, log_event, enableJIT
  )
  NULL
}
