#' Python's names and ours
#'
#' Every public name of Python's module `multiprocessing`, and what there is in this package. Methods have Python's names, arguments and
#' meanings, called with `$`; indices begin at 1.
#'
#' | Python | here | |
#' |---|---|---|
#' | `Process` | [Process()] | `kwargs` are named elements of `args`; `$value()` is ours |
#' | `Pool` | [Pool()] | further options in [Pool()] |
#' | `AsyncResult`, `pool.IMapIterator` | [AsyncResult], what `$imap()` returns | |
#' | `pool.ThreadPool` | - | R's interpreter has one thread; compiled functions: [thread_map()] |
#' | `Lock`, `RLock` | [Lock()], [RLock()] | |
#' | `Semaphore`, `BoundedSemaphore` | [Semaphore()], [BoundedSemaphore()] | |
#' | `Event`, `Condition`, `Barrier` | [Event()], [Condition()], [Barrier()] | |
#' | `Queue`, `SimpleQueue`, `JoinableQueue` | [Queue()], [SimpleQueue()], [JoinableQueue()] | `$cancel_join_thread()` has no meaning: there is no feeder thread |
#' | `Pipe`, `connection.Connection` | [Pipe()] | `$fileno()` is missing: a connection is no descriptor; use [wait()] |
#' | `connection.wait` | [wait()] | takes queues, events and results, too |
#' | `connection.Listener`, `connection.Client` | [Listener()], [Client()] | |
#' | `Value`, `Array` | [Value()], [Array()] | |
#' | `RawValue`, `RawArray`, `sharedctypes` | [Value()], [Array()] with `lock = FALSE` | R has no types of ctypes |
#' | `shared_memory.SharedMemory` | [SharedMemory()] | `$buf$cast()` for `memoryview(shm.buf).cast()`; `$as_vector()` is ours |
#' | `shared_memory.ShareableList` | - | its layout stands in no document of Python's; within a session `Manager()$list()`, between programs [SharedMemory()] |
#' | `managers.SharedMemoryManager` | - | memory is given back when no process uses it: nothing to manage |
#' | `Manager` | [Manager()] | without a server process |
#' | `managers.BaseManager`, `register`, proxies | - | a server's; there is none |
#' | `cpu_count` | [cpu_count()] | what this process may use, not what the machine has |
#' | `current_process`, `parent_process`, `active_children` | [current_process()], [parent_process()], [active_children()] | |
#' | `get_context`, `get_start_method`, `set_start_method`, `get_all_start_methods` | the same names | methods `fork` and `spawn` |
#' | `set_executable`, `set_forkserver_preload` | - | a spawned process is the R that runs; there is no fork server yet |
#' | `allow_connection_pickling`, `reducer` | - | handles travel without being asked |
#' | `freeze_support` | - | for frozen Windows programs |
#' | `log_to_stderr`, `get_logger` | - | to come; what processes print appears in the session |
#' | `TimeoutError`, `ProcessError`, `AuthenticationError`, `BufferTooShort` | error classes, see [multiprocessing-package] | no buffers are given, so none is too short |
#' | `queue.Empty`, `queue.Full`, `BrokenBarrierError` | error classes of the same names | |
#' | `util`, `dummy`, `process.authkey` | - | internal, or threads; a key is an argument of [Listener()] |
#' | `concurrent.futures.ProcessPoolExecutor`, `Future` | [ProcessPoolExecutor()] | |
#' | `concurrent.futures.as_completed` | [as_completed()] | |
#' | `concurrent.futures.wait` | [wait_futures()] | [wait()] is `connection.wait` |
#' | `concurrent.futures.ThreadPoolExecutor` | - | as `ThreadPool` |
#'
#' What Python has not: `$modify()` of a dict, `$value()` of a process, `retries` and `task_timeout` of a pool, the warning when a lock's
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
