#' Python's names and ours
#'
#' Every public name of Python's modules `multiprocessing` and `concurrent.futures`, and what there is in this package. Methods have Python's
#' names, arguments and meanings, called with `$`; indices begin at 1. A dash: deliberately missing, with the reason.
#'
#' | `multiprocessing` | here | |
#' |---|---|---|
#' | `Process` | [Process()] | `kwargs` are named elements of `args`; `$value()` is this package's own. No `$authkey`, `$ident`: a key is an argument of [Listener()], `$pid` is the number. No `$interrupt()`: a SIGINT ends no child, see `$terminate()` |
#' | `process.BaseProcess` | - | `run()` is not overridden in R: `target` is the function |
#' | `Pool`, `pool.Pool` | [Pool()] | further options in [Pool()] |
#' | `pool.AsyncResult`, `MapResult`, `IMapIterator` | [AsyncResult], what `$imap()` returns | |
#' | `pool.ThreadPool` | - | R's interpreter has one thread; compiled functions: [thread_map()] |
#' | `Lock`, `RLock` | [Lock()], [RLock()] | |
#' | `Semaphore`, `BoundedSemaphore` | [Semaphore()], [BoundedSemaphore()] | |
#' | `Event`, `Condition`, `Barrier` | [Event()], [Condition()], [Barrier()] | |
#' | `Queue`, `SimpleQueue`, `JoinableQueue` | [Queue()], [SimpleQueue()], [JoinableQueue()] | no `$cancel_join_thread()`: there is no feeder thread |
#' | `Pipe`, `connection.Pipe`, `connection.Connection` | [Pipe()] | no `$fileno()`, a connection is no descriptor: use [wait()]. No `$recv_bytes_into()`: R has no buffers to fill |
#' | `connection.wait` | [wait()] | takes queues, events, results and futures, too |
#' | `connection.Listener`, `connection.Client` | [Listener()], [Client()] | families `AF_UNIX` and `AF_INET`; `AF_PIPE` exists on Windows only |
#' | `Value`, `Array`, `sharedctypes.Value`, `sharedctypes.Array` | [Value()], [Array()] | R has no types of ctypes: names of R's types, or Python's codes. No `$get_obj()`, `$raw`: `a[]` are the numbers |
#' | `RawValue`, `RawArray` | [Value()], [Array()] with `lock = FALSE` | |
#' | `sharedctypes.synchronized`, `copy` | - | a lock is given at the beginning, `lock =`; `as.vector(a)` is a copy |
#' | `shared_memory.SharedMemory` | [SharedMemory()] | `$buf$cast()` for `memoryview(shm.buf).cast()`; `$as_vector()` is this package's own |
#' | `shared_memory.ShareableList` | - | its layout stands in no document of Python's; within a session `Manager()$list()`, between programs [SharedMemory()] |
#' | `managers.SharedMemoryManager` | - | memory is given back when no process uses it: nothing to manage |
#' | `Manager`, `managers.SyncManager`, `Namespace` | [Manager()] | without a server process: `$start()` and `$shutdown()` do nothing; no `$address`, `$connect()`, `$get_server()`. No `$Pool()`: a pool belongs to the process that made it |
#' | `managers.BaseManager`, `register`, `BaseProxy`, `Token` | - | a server's; there is none |
#' | `cpu_count` | [cpu_count()] | what this process may use, not what the machine has |
#' | `current_process`, `parent_process`, `active_children` | [current_process()], [parent_process()], [active_children()] | no `$join()`, `$is_alive()` of the parent: a process ends when its parent dies |
#' | `get_context`, `get_start_method`, `set_start_method`, `get_all_start_methods` | [get_context()], [get_start_method()], [set_start_method()], [get_all_start_methods()] | methods `fork` and `spawn`. The method that is set goes to all children, whatever theirs is |
#' | `context.BaseContext` and its classes | [get_context()] | what it returns |
#' | `set_executable` | - | a spawned process is the R that runs |
#' | `set_forkserver_preload`, `forkserver` | - | no fork server: a forked worker forks others in a few milliseconds |
#' | `log_to_stderr`, `get_logger` | [log_to_stderr()], [get_logger()] | levels have Python's numbers, `SUBDEBUG` and `SUBWARNING` included |
#' | `allow_connection_pickling`, `reducer`, `reduction`, `resource_sharer` | - | handles travel without being asked; descriptors do not travel |
#' | `freeze_support` | - | for frozen Windows programs |
#' | `TimeoutError`, `ProcessError`, `AuthenticationError` | error classes, see [multiprocessing-package] | |
#' | `BufferTooShort` | - | no buffers are given, so none is too short |
#' | `queue.Empty`, `queue.Full`, `BrokenBarrierError` | error classes of the same names | |
#' | `dummy` | - | threads; as `ThreadPool` |
#' | `util`, `heap`, `spawn`, `popen_*`, `resource_tracker` | - | internal; there is no tracker process, shared memory within a session has no names |
#'
#' | `concurrent.futures` | here | |
#' |---|---|---|
#' | `ProcessPoolExecutor` | [ProcessPoolExecutor()] | `mp_context` is `context`; `$terminate_workers()` and `$kill_workers()` as in Python 3.14 |
#' | `Executor` | - | the class that the executors inherit from; there is one executor |
#' | `ThreadPoolExecutor`, `InterpreterPoolExecutor` | - | as `ThreadPool`; an R process has one interpreter |
#' | `Future` | [Future] | no `$set_result()`, `$set_exception()`, `$set_running_or_notify_cancel()`: for executors of others' |
#' | `as_completed` | [as_completed()] | |
#' | `wait`, `ALL_COMPLETED`, `FIRST_COMPLETED`, `FIRST_EXCEPTION` | [wait_futures()] and strings of these names | [wait()] is `connection.wait` |
#' | `CancelledError`, `TimeoutError` | error classes of the same names | |
#' | `InvalidStateError` | - | of `set_result()` |
#' | `BrokenExecutor`, `process.BrokenProcessPool` | error class `BrokenProcessPool` | only if no worker can start; a worker that dies costs its call alone |
#'
#' What Python does not have: `$modify()` of a dict, `$value()` of a process, `retries` and `task_timeout` of a pool, the warning when a lock's
#' owner was killed, the error of processes that wait for each other ([Lock()]), [mclapply()] and its family, [thread_map()].
#'
#' @seealso [multiprocessing-package], and `vignette("from-python")`, and `vignette("multicore")` for programs side by side.
#' @name python-names
#' @concept python multiprocessing
#' @examples
#' # from multiprocessing import Pool          library(multiprocessing)
#' # with Pool(2) as p:
#' #     print(p.map(abs, [-1, 2]))
#' with(p <- Pool(2), print(p$map(abs, c(-1, 2))))
NULL
