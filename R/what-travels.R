#' What travels to a worker
#'
#' A task gives what it would give if the session evaluated it at the moment of the call: on a [Pool()] that runs already,
#' in a [Process()], forked or spawned. For this the session keeps a journal of what it has, and each job takes along what has
#' changed since the worker began.
#'
#' @section What a task sees:
#' - Functions of the global environment, S3 methods (also registered ones), S4 and reference classes, generics, and values of
#'   up to 64 kB, whether the code names them or not: `get()`, `do.call("f")`, `eval(parse(text = ))`, templates and model
#'   formulas find them. Variables that the session has removed do not exist in the worker.
#' - Larger values when the code names them: followed through functions in lists, in elements, in objects, through
#'   formulas, quoted calls, defaults, assignment functions. They stay for that job only.
#' - The search path in its order, with attached lists and data frames; a package that was loaded from another library
#'   is loaded from there. Of packages that are loaded and not attached, those that have methods for the classes of
#'   values that are sent.
#' - Options, kind of the random numbers, locale, time zone, environment variables, working directory, `.libPaths()`.
#'
#' What an initializer or a task sets in the worker stays as the worker has it, until the session changes the same thing.
#'
#' @section `globals` and `packages`:
#' Methods that take a function also take `globals`. `TRUE`: all of the above. `FALSE`: nothing of it; the task sees what the
#' worker has. Names: these variables, as the caller has them, and no large one besides. A named list: these values, as
#' variables of that job. `packages`: names of packages to attach in the worker first.
#'
#' @section Exceptions:
#' - **Connections and live pointers** (of databases, of compiled functions) are good in the process that made them. A
#'   forked worker that began later than they were made has them, and uses its own; so does one whose `initializer` made a
#'   variable of that name. Elsewhere a task that looks at one gets an `EncodingError` that names it: in the global environment,
#'   in a function's own, and in environments, R6 and reference objects that are, or lie in, arguments, elements and
#'   variables. Any other object with a pointer somewhere inside, and objects of packages, arrive with an empty one, as with
#'   [serialize()]; if the task fails because of it, the error says where it is. A forked worker also
#'   uses its own copy of a pointer in a function, an argument, an element or a variable, if a variable of the global environment,
#'   or of a function that was running, held it when the pool was made. The session keeps such pointers until the pool ends.
#' - **Large values that only a text names**, such as `get(paste0("da", "ta"))`, are not sent: "object not found". A forked worker
#'   has those that were there when it began and have not changed since. `globals = "data"` sends them.
#' - **What a task changes** stays in the worker, until the session changes the same variable. [Queue()], [share()] and
#'   results are the ways to tell others.
#' - **A package that cannot be loaded in the worker** is an error of the elements that use it, a `ProcessError` that names the
#'   package: those that look at its exports, or have an object of a class for which it has methods. `package::name` is R's error.
#' - **`.Random.seed`, `.Last.value`, devices, sinks, and the options that need a screen** (`error`, `device`, `editor`, `pager`,
#'   `browser` ...) are each process's own. `warn = 0` is 1 in a worker: warnings appear at once.
#' - **Options** of more than 64 kB, and those with a live pointer or a connection, are each process's own, too. One that was
#'   sent, and is set to such a value later, is unset in workers that began before: they keep no value that the session has
#'   replaced. An option is sent when it is set to another value; what changes later inside an environment that it holds is not.
#' - **What is changed inside a package** (`assignInNamespace()`, `trace()` of a package's function) is seen by workers that are
#'   forked after it.
#' - **`lockBinding()`** of a variable of the global environment holds in workers that are forked after it. Of a variable in another
#'   environment it is sent with the next change in that environment.
#' - **Compiled code that writes into a large vector in place**: the change is seen when a function names the vector, not in a
#'   forked worker that finds it by a text.
#' - **Environments that are shared**: variables of the global environment that share one share it in the worker, too. An argument,
#'   an element, an option, an attached list and a large variable have a copy of their own: what a task writes into one copy the
#'   other does not show.
#' - **A variable that was not evaluated yet** (`delayedAssign()`) is evaluated in the session when a job names it. If that stops, so
#'   does the task that looks at it, and no other.
#' - **A function with a connection or live pointer** in its environment is refused whether it uses it or not, if it is a variable
#'   that was made after the worker.
#' - **S4 methods**: a method for a generic of a package travels with all methods that this generic has in the session.
#' - **What no R function sets** (`umask`, limits, CPU affinity, signal handlers) a worker has from the process that started it.
#' - **Handles** of pools and processes are read-only elsewhere.
#'
#' @name what-travels
#' @aliases what-travels globals
#' @seealso [Pool()], [Process()]; `vignette("travels")`; [share()].
#' @concept globals
#' @concept export variables to workers
#' @concept serialization
#' @examples
#' pool <- Pool(1)
#' assign("rate", 3, globalenv())
#' pool$apply(function(x) x * get("rate"), list(2))
#' pool$apply(function(x) x * rate, list(2), globals = list(rate = 10))
#' rm(rate, envir = globalenv())
#' pool$terminate()
NULL
