// What R calls. Each is described where it is defined; init.cpp makes routines of them.
#pragma once

#include <Rinternals.h>

#include <string>
#include <vector>

// handles and the session
bool handle_is_open(SEXP pointer);
void handle_close(SEXP pointer);
std::string handle_id(SEXP pointer);
SEXP heap_check();
int heap_holder();
double guard_limit(double seconds);
double block_copy_limit(double bytes);
void forget_interrupt();
void forget_random_state();
bool is_compiled(SEXP fun);
SEXP code_symbols(SEXP fun);
bool session_exists();
double monotonic_seconds();
SEXP codec_encode(SEXP x);
SEXP codec_decode(SEXP raw);

// processes
SEXP process_start(SEXP what, bool spawn, bool silent);
int process_pid(SEXP process);
SEXP process_status(SEXP process);
std::vector<bool> process_join(SEXP processes, SEXP timeout, bool all_of_them);
std::vector<bool> process_ready(SEXP processes, SEXP timeout);
void process_signal(SEXP process, int signal);
SEXP process_result(SEXP process);
void process_publish(SEXP value, int status);
SEXP process_spawned(std::string variable);
void process_leave(int status);
bool in_child();
SEXP parallel_exit(SEXP status);
void output_show();

// a worker
void worker_begin(SEXP pool, int lane, int maxtasks, SEXP inherited);
bool worker_run();
void worker_fail(SEXP failure);

// pools
SEXP pool_create(int workers, SEXP start, bool plain);
SEXP pool_handle(SEXP pool);
void pool_start(SEXP pool);
void pool_attend(SEXP pool);
void pool_close(SEXP pool);
void pool_signal(SEXP pool, int signal);
void pool_terminate(SEXP pool);
void pool_dismiss(SEXP pool);
bool pool_join(SEXP pool, SEXP timeout);
SEXP pool_state(SEXP pool);

// jobs
int pool_submit(SEXP pool, SEXP fun, SEXP body, SEXP iterable, double count, SEXP chunks,
                SEXP places, int retries, double task_timeout, bool each, SEXP type);
SEXP pool_call(SEXP pool, SEXP fun, SEXP args);
void pool_abandon(SEXP pool, int id);
SEXP pool_peek(SEXP pool, int id);
bool pool_wait(SEXP pool, int id, SEXP timeout);
bool pool_wait_failure(SEXP pool, int id);
SEXP pool_take(SEXP pool, int id);
SEXP pool_result(SEXP pool, int id);
SEXP pool_next(SEXP pool, int id, bool ordered, int given, SEXP timeout);
double pool_progress(SEXP pool, int id);
void pool_cancel(SEXP pool, int id);
bool pool_withdraw(SEXP pool, int id);
bool pool_claimed(SEXP pool, int id);
std::vector<int> pool_unclaimed(SEXP pool);
void pool_forget(SEXP pool, int id);

// locks, queues, pipes
SEXP lock_create(bool recursive);
bool lock_enter(SEXP lock);
bool lock_acquire(SEXP lock, SEXP block, SEXP timeout);
void lock_release(SEXP lock);
int lock_depth(SEXP lock);
int lock_holder(SEXP lock);
SEXP queue_create(double maxsize, bool simple);
bool queue_is_simple(SEXP queue);
void queue_put(SEXP queue, SEXP value, SEXP block, SEXP timeout);
SEXP queue_get(SEXP queue, SEXP block, SEXP timeout);
void queue_shut(SEXP queue);
bool queue_is_full(SEXP queue);
double queue_maxsize(SEXP queue);
double queue_size(SEXP queue);
SEXP pipe_create(bool duplex);
void connection_send(SEXP connection, SEXP value);
SEXP connection_recv(SEXP connection);
bool connection_poll(SEXP connection, SEXP timeout);
SEXP connection_state(SEXP connection);

// semaphores, events, conditions, barriers
SEXP semaphore_create(double value, bool bounded);
bool semaphore_acquire(SEXP semaphore, SEXP block, SEXP timeout);
void semaphore_release(SEXP semaphore);
void semaphore_enter(SEXP semaphore);
void semaphore_leave(SEXP semaphore);
int semaphore_owned(SEXP semaphore);
double semaphore_permits(SEXP semaphore);
bool semaphore_is_bounded(SEXP semaphore);
SEXP event_create();
void event_set(SEXP event);
void event_clear(SEXP event);
bool event_state(SEXP event);
bool event_wait(SEXP event, SEXP timeout);
SEXP condition_create(SEXP lock);
SEXP condition_lock_pointer(SEXP condition);
bool condition_wait(SEXP condition, SEXP timeout);
int condition_notify(SEXP condition, double n);
int condition_waiters(SEXP condition);
SEXP barrier_create(double parties, SEXP action, SEXP timeout);
SEXP barrier_action(SEXP barrier);
SEXP barrier_wait(SEXP barrier, SEXP timeout);
void barrier_pass(SEXP barrier, double round);
void barrier_abort(SEXP barrier);
void barrier_reset(SEXP barrier);
SEXP barrier_state(SEXP barrier);

// values and arrays
SEXP cells_create(std::string typecode, double length, SEXP initial, SEXP dim, SEXP lock, bool single);
bool cells_are_single(SEXP array);
double cells_length(SEXP array);
SEXP cells_dim(SEXP array);
std::string cells_type(SEXP array);
SEXP cells_lock_pointer(SEXP array);
SEXP cells_get(SEXP array, SEXP index);
void cells_set(SEXP array, SEXP index, SEXP values);
SEXP cells_window(SEXP array);
namespace mp::bind {
void register_windows(DllInfo* dll); // when the package is loaded
}

// shared values
SEXP share_value(SEXP x);
bool is_shared_value(SEXP x);
SEXP memory_blocks();

// threads
SEXP thread_map_run(SEXP x, SEXP fun, SEXP threads, SEXP margin);
SEXP thread_reduce_run(SEXP x, SEXP fun, SEXP init, SEXP threads, SEXP margin);
SEXP made_kernel(SEXP maker);
void register_thread_api(); // when the package is loaded

// waiting
std::vector<bool> wait_any(SEXP items, SEXP kinds, SEXP timeout);

// sockets
SEXP socket_listen(std::string address, int port, int backlog);
int socket_port(SEXP socket);
SEXP socket_accept(SEXP listener, SEXP timeout);
SEXP socket_connect(std::string address, int port, SEXP timeout);
void socket_send_frame(SEXP socket, SEXP bytes, SEXP timeout);
SEXP socket_receive_frame(SEXP socket, double limit, SEXP timeout);
bool socket_poll(SEXP socket, SEXP timeout);
void socket_close(SEXP socket);
bool socket_is_open(SEXP socket);
SEXP random_raw(int bytes);
