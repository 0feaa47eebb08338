// The package's routines for .Call(): their names in R begin with C_.
#include "codec/view.h"
#include "r/call.h"
#include "routines.h"

#include <R_ext/Rdynload.h>

using mp::bind::Routine;

// clang-format off
#define ROUTINE(name) {"C_" #name, reinterpret_cast<DL_FUNC>(reinterpret_cast<void (*)()>(&Routine<&name>::call)), Routine<&name>::kArguments}

static const R_CallMethodDef routines[] = {
    ROUTINE(handle_is_open),
    ROUTINE(handle_close),
    ROUTINE(handle_id),
    ROUTINE(heap_check),
    ROUTINE(heap_holder),
    ROUTINE(guard_limit),
    ROUTINE(forget_interrupt),
    ROUTINE(forget_random_state),
    ROUTINE(is_compiled),
    ROUTINE(code_symbols),
    ROUTINE(session_exists),
    ROUTINE(monotonic_seconds),
    ROUTINE(codec_encode),
    ROUTINE(codec_decode),
    ROUTINE(process_start),
    ROUTINE(process_pid),
    ROUTINE(process_status),
    ROUTINE(process_join),
    ROUTINE(process_signal),
    ROUTINE(process_result),
    ROUTINE(process_publish),
    ROUTINE(process_spawned),
    ROUTINE(process_leave),
    ROUTINE(in_child),
    ROUTINE(output_show),
    ROUTINE(worker_begin),
    ROUTINE(worker_run),
    ROUTINE(worker_fail),
    ROUTINE(pool_create),
    ROUTINE(pool_handle),
    ROUTINE(pool_start),
    ROUTINE(pool_attend),
    ROUTINE(pool_close),
    ROUTINE(pool_signal),
    ROUTINE(pool_terminate),
    ROUTINE(pool_dismiss),
    ROUTINE(pool_join),
    ROUTINE(pool_state),
    ROUTINE(pool_submit),
    ROUTINE(pool_call),
    ROUTINE(pool_abandon),
    ROUTINE(pool_peek),
    ROUTINE(pool_wait),
    ROUTINE(pool_wait_failure),
    ROUTINE(pool_take),
    ROUTINE(pool_result),
    ROUTINE(pool_next),
    ROUTINE(pool_progress),
    ROUTINE(pool_cancel),
    ROUTINE(pool_withdraw),
    ROUTINE(pool_claimed),
    ROUTINE(pool_unclaimed),
    ROUTINE(pool_forget),
    ROUTINE(socket_listen),
    ROUTINE(socket_port),
    ROUTINE(socket_accept),
    ROUTINE(socket_connect),
    ROUTINE(socket_send_frame),
    ROUTINE(socket_receive_frame),
    ROUTINE(socket_poll),
    ROUTINE(socket_close),
    ROUTINE(socket_is_open),
    ROUTINE(random_raw),
    ROUTINE(lock_create),
    ROUTINE(lock_enter),
    ROUTINE(lock_acquire),
    ROUTINE(lock_release),
    ROUTINE(lock_depth),
    ROUTINE(lock_holder),
    ROUTINE(queue_create),
    ROUTINE(queue_is_simple),
    ROUTINE(queue_put),
    ROUTINE(queue_get),
    ROUTINE(queue_shut),
    ROUTINE(queue_is_full),
    ROUTINE(queue_size),
    ROUTINE(pipe_create),
    ROUTINE(connection_send),
    ROUTINE(connection_recv),
    ROUTINE(connection_poll),
    ROUTINE(connection_directions),
    ROUTINE(share_value),
    ROUTINE(is_shared_value),
    ROUTINE(memory_blocks),
    ROUTINE(made_kernel),
    ROUTINE(thread_map_run),
    ROUTINE(thread_reduce_run),
    ROUTINE(wait_any),
    {nullptr, nullptr, 0},
};
// clang-format on

extern "C" void R_init_multiprocessing(DllInfo* dll) {
  R_registerRoutines(dll, nullptr, routines, nullptr, nullptr);
  R_useDynamicSymbols(dll, FALSE);
  R_forceSymbols(dll, TRUE);
  mp::codec::register_views(dll);
  register_thread_api();
}
