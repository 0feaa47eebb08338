"""Python's Event, Condition, Semaphore, Barrier, JoinableQueue, Value, Array, Manager, SharedMemory and
ProcessPoolExecutor, measured for the R script beside this file. Prints one number, in seconds.

peer_primitives.py event | condition | semaphore | semaphore_free | barrier | joinable | value_get | value_set |
    element_get | element_set | slice_get | slice_set | get | set | memory_get | memory_set | submit | submits
"""

import concurrent.futures
import multiprocessing as mp
import multiprocessing.shared_memory
import statistics
import sys
import time


def per_call(f, n, batches=5):
    """Seconds per call: the median of some batches of `n`."""
    times = []
    for _ in range(batches):
        start = time.perf_counter()
        for _ in range(n):
            f()
        times.append((time.perf_counter() - start) / n)
    return statistics.median(times)


def hand_over(child, mine, n=2000):
    """Seconds for a turn there and back with a child process."""
    p = mp.Process(target=child, args=(n,))
    p.start()
    mine(10)
    start = time.perf_counter()
    mine(n - 10)
    taken = time.perf_counter() - start
    p.join()
    return taken / (n - 10)


def event():
    ping, pong = mp.Event(), mp.Event()

    def answer(n):
        for _ in range(n):
            ping.wait()
            ping.clear()
            pong.set()

    def ask(n):
        for _ in range(n):
            ping.set()
            pong.wait()
            pong.clear()

    return hand_over(answer, ask)


def semaphore():
    ping, pong = mp.Semaphore(0), mp.Semaphore(0)

    def answer(n):
        for _ in range(n):
            ping.acquire()
            pong.release()

    def ask(n):
        for _ in range(n):
            ping.release()
            pong.acquire()

    return hand_over(answer, ask)


def condition():
    turn, whose = mp.Condition(), mp.Value("i", 0, lock=False)

    def play(me, n):
        for _ in range(n):
            with turn:
                while whose.value != me:
                    turn.wait()
                whose.value = 1 - me
                turn.notify()

    return hand_over(lambda n: play(1, n), lambda n: play(0, n))


def barrier():
    both = mp.Barrier(2)

    def go(n):
        for _ in range(n):
            both.wait()

    return hand_over(go, go)


def joinable():
    queue = mp.JoinableQueue()

    def produce(n):
        for _ in range(n):
            queue.put(1.0)

    def consume(n):
        for _ in range(n):
            queue.get()
            queue.task_done()

    per_item = hand_over(produce, consume, 10000)
    queue.join()
    return per_item


def semaphore_free():
    one = mp.Semaphore(1)

    def both():
        one.acquire()
        one.release()

    return per_call(both, 50000)


def value(what):
    v = mp.Value("d", 0)

    def put():
        v.value = 1.0

    return per_call(put if what == "value_set" else (lambda: v.value), 20000)


def array(what):
    a, x = mp.Array("d", 2000), [0.5] * 1000

    def put():
        a[4] = 1.0

    def put_slice():
        a[500:1500] = x

    if what.startswith("element"):
        return per_call(put if what == "element_set" else (lambda: a[5]), 20000)
    return per_call(put_slice if what == "slice_set" else (lambda: a[500:1500]), 500)


def dictionary(what):
    with mp.Manager() as manager:
        d = manager.dict(k=1)

        def put():
            d["k"] = 1.0

        return per_call(put if what == "set" else (lambda: d["k"]), 1000)


def memory(what):
    shm = multiprocessing.shared_memory.SharedMemory(create=True, size=2**20)
    data = bytes(range(256)) * 2**12
    try:

        def put():
            shm.buf[: 2**20] = data

        put()
        return per_call(put if what == "memory_set" else (lambda: bytes(shm.buf)), 300)
    finally:
        shm.close()
        shm.unlink()


def same(x):
    return x


def executor(what):
    with concurrent.futures.ProcessPoolExecutor(1) as ex:
        ex.submit(same, 1.0).result()
        if what == "submit":
            return per_call(lambda: ex.submit(same, 1.0).result(), 300)

        def thousand():
            for future in [ex.submit(same, i) for i in range(1000)]:
                future.result()

        return per_call(thousand, 1, 3) / 1000


def main(argv):
    mp.set_start_method("fork")
    what = argv[0]
    families = {"value": value, "element": array, "slice": array, "memory": memory}
    if what in ("get", "set"):
        return dictionary(what)
    if what in ("submit", "submits"):
        return executor(what)
    if what.split("_")[0] in families:
        return families[what.split("_")[0]](what)
    return globals()[what]()


if __name__ == "__main__":
    print(repr(main(sys.argv[1:])))
