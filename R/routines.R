# The compiled routines, see src/routines.h; those without a line here are called often, and by `.Call()` directly.

# handles and the session
handle_is_open <- function(pointer) .Call(C_handle_is_open, pointer)
handle_close <- function(pointer) .Call(C_handle_close, pointer)
handle_id <- function(pointer) .Call(C_handle_id, pointer)
heap_check <- function() .Call(C_heap_check)
heap_holder <- function() .Call(C_heap_holder)
guard_limit <- function(seconds) .Call(C_guard_limit, seconds)
block_copy_limit <- function(bytes) .Call(C_block_copy_limit, bytes)
forget_interrupt <- function() .Call(C_forget_interrupt)
forget_random_state <- function() .Call(C_forget_random_state)
is_compiled <- function(fun) .Call(C_is_compiled, fun)
code_symbols <- function(fun) .Call(C_code_symbols, fun)
session_exists <- function() .Call(C_session_exists)
monotonic_seconds <- function() .Call(C_monotonic_seconds)
codec_encode <- function(x) .Call(C_codec_encode, x)
codec_decode <- function(raw) .Call(C_codec_decode, raw)

# processes
process_start <- function(what, spawn, silent) .Call(C_process_start, what, spawn, silent)
process_pid <- function(process) .Call(C_process_pid, process)
process_status <- function(process) .Call(C_process_status, process)
process_join <- function(processes, timeout, all_of_them) .Call(C_process_join, processes, timeout, all_of_them)
process_ready <- function(processes, timeout) .Call(C_process_ready, processes, timeout)
process_signal <- function(process, signal) .Call(C_process_signal, process, signal)
process_result <- function(process) .Call(C_process_result, process)
process_publish <- function(value, status) .Call(C_process_publish, value, status)
process_spawned <- function(variable) .Call(C_process_spawned, variable)
process_leave <- function(status) .Call(C_process_leave, status)
in_child <- function() .Call(C_in_child)
output_show <- function() .Call(C_output_show)

# a worker
worker_begin <- function(pool, lane, maxtasks, inherited) .Call(C_worker_begin, pool, lane, maxtasks, inherited)
worker_run <- function() .Call(C_worker_run)
worker_fail <- function(failure) .Call(C_worker_fail, failure)

# pools
pool_create <- function(workers, start, plain) .Call(C_pool_create, workers, start, plain)
pool_handle <- function(pool) .Call(C_pool_handle, pool)
pool_start <- function(pool) .Call(C_pool_start, pool)
pool_attend <- function(pool) .Call(C_pool_attend, pool)
pool_close <- function(pool) .Call(C_pool_close, pool)
pool_signal <- function(pool, signal) .Call(C_pool_signal, pool, signal)
pool_terminate <- function(pool) .Call(C_pool_terminate, pool)
pool_dismiss <- function(pool) .Call(C_pool_dismiss, pool)
pool_join <- function(pool, timeout) .Call(C_pool_join, pool, timeout)
pool_state <- function(pool) .Call(C_pool_state, pool)

# jobs
pool_submit <- function(pool, fun, body, iterable, count, chunks, places, retries, task_timeout, each, type) {
  .Call(C_pool_submit, pool, fun, body, iterable, count, chunks, places, retries, task_timeout, each, type)
}
pool_abandon <- function(pool, id) .Call(C_pool_abandon, pool, id)
pool_peek <- function(pool, id) .Call(C_pool_peek, pool, id)
pool_wait <- function(pool, id, timeout) .Call(C_pool_wait, pool, id, timeout)
pool_wait_failure <- function(pool, id) .Call(C_pool_wait_failure, pool, id)
pool_take <- function(pool, id) .Call(C_pool_take, pool, id)
pool_result <- function(pool, id) .Call(C_pool_result, pool, id)
pool_next <- function(pool, id, ordered, given, timeout) .Call(C_pool_next, pool, id, ordered, given, timeout)
pool_progress <- function(pool, id) .Call(C_pool_progress, pool, id)
pool_cancel <- function(pool, id) .Call(C_pool_cancel, pool, id)
pool_withdraw <- function(pool, id) .Call(C_pool_withdraw, pool, id)
pool_claimed <- function(pool, id) .Call(C_pool_claimed, pool, id)
pool_unclaimed <- function(pool) .Call(C_pool_unclaimed, pool)
pool_forget <- function(pool, id) .Call(C_pool_forget, pool, id)

# locks, queues, pipes
lock_create <- function(recursive) .Call(C_lock_create, recursive)
lock_enter <- function(lock) .Call(C_lock_enter, lock)
lock_depth <- function(lock) .Call(C_lock_depth, lock)
lock_holder <- function(lock) .Call(C_lock_holder, lock)
queue_create <- function(maxsize, simple) .Call(C_queue_create, maxsize, simple)
queue_is_simple <- function(queue) .Call(C_queue_is_simple, queue)
queue_shut <- function(queue) .Call(C_queue_shut, queue)
queue_is_full <- function(queue) .Call(C_queue_is_full, queue)
queue_maxsize <- function(queue) .Call(C_queue_maxsize, queue)
queue_size <- function(queue) .Call(C_queue_size, queue)
pipe_create <- function(duplex) .Call(C_pipe_create, duplex)
connection_poll <- function(connection, timeout) .Call(C_connection_poll, connection, timeout)
connection_state <- function(connection) .Call(C_connection_state, connection)

# semaphores, events, conditions, barriers
semaphore_create <- function(value, bounded) .Call(C_semaphore_create, value, bounded)
semaphore_enter <- function(semaphore) .Call(C_semaphore_enter, semaphore)
semaphore_leave <- function(semaphore) .Call(C_semaphore_leave, semaphore)
semaphore_owned <- function(semaphore) .Call(C_semaphore_owned, semaphore)
semaphore_permits <- function(semaphore) .Call(C_semaphore_permits, semaphore)
semaphore_is_bounded <- function(semaphore) .Call(C_semaphore_is_bounded, semaphore)
event_create <- function() .Call(C_event_create)
event_state <- function(event) .Call(C_event_state, event)
condition_create <- function(lock) .Call(C_condition_create, lock)
condition_lock_pointer <- function(condition) .Call(C_condition_lock_pointer, condition)
condition_wait <- function(condition, timeout) .Call(C_condition_wait, condition, timeout)
condition_notify <- function(condition, n) .Call(C_condition_notify, condition, n)
condition_waiters <- function(condition) .Call(C_condition_waiters, condition)
barrier_create <- function(parties, action, timeout) .Call(C_barrier_create, parties, action, timeout)
barrier_action <- function(barrier) .Call(C_barrier_action, barrier)
barrier_wait <- function(barrier, timeout) .Call(C_barrier_wait, barrier, timeout)
barrier_pass <- function(barrier, round) .Call(C_barrier_pass, barrier, round)
barrier_abort <- function(barrier) .Call(C_barrier_abort, barrier)
barrier_reset <- function(barrier) .Call(C_barrier_reset, barrier)
barrier_state <- function(barrier) .Call(C_barrier_state, barrier)

# values and arrays
cells_create <- function(typecode, length, initial, dim, lock, single) {
  .Call(C_cells_create, typecode, length, initial, dim, lock, single)
}
cells_are_single <- function(array) .Call(C_cells_are_single, array)
cells_length <- function(array) .Call(C_cells_length, array)
cells_dim <- function(array) .Call(C_cells_dim, array)
cells_type <- function(array) .Call(C_cells_type, array)
cells_lock_pointer <- function(array) .Call(C_cells_lock_pointer, array)
cells_get <- function(array, index) .Call(C_cells_get, array, index)

# waiting
wait_any <- function(items, kinds, timeout) .Call(C_wait_any, items, kinds, timeout)

# shared values
share_value <- function(x) .Call(C_share_value, x)
is_shared_value <- function(x) .Call(C_is_shared_value, x)
memory_blocks <- function() .Call(C_memory_blocks)

# sockets
socket_listen <- function(address, port, backlog) .Call(C_socket_listen, address, port, backlog)
socket_port <- function(socket) .Call(C_socket_port, socket)
socket_accept <- function(listener, timeout) .Call(C_socket_accept, listener, timeout)
socket_connect <- function(address, port, timeout) .Call(C_socket_connect, address, port, timeout)
socket_send_frame <- function(socket, bytes, timeout) .Call(C_socket_send_frame, socket, bytes, timeout)
socket_receive_frame <- function(socket, limit, timeout) .Call(C_socket_receive_frame, socket, limit, timeout)
socket_poll <- function(socket, timeout) .Call(C_socket_poll, socket, timeout)
socket_close <- function(socket) .Call(C_socket_close, socket)
socket_is_open <- function(socket) .Call(C_socket_is_open, socket)
random_raw <- function(bytes) .Call(C_random_raw, bytes)
