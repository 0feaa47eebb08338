"""Python's Event, Condition, Semaphore, Barrier, Array and Manager, measured for the R script beside this file. Prints
one number, in seconds.

peer_primitives.py event | condition | semaphore | barrier | element | slice | get | set
"""

import multiprocessing as mp
import statistics
import sys
import time


def per_call(f, n):
    times = []
    for _ in range(5):
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


def main(argv):
    mp.set_start_method("fork")
    what = argv[0]
    if what in ("element", "slice"):
        a = mp.Array("d", 1000)

        def element():
            a[5] = a[6]

        def part():
            a[:] = a[:]

        return per_call(element if what == "element" else part, 20000 if what == "element" else 500)
    if what in ("get", "set"):
        d = mp.Manager().dict(k=1)

        def put():
            d["k"] = 1.0

        return per_call(put if what == "set" else (lambda: d["k"]), 3000)
    return globals()[what]()


if __name__ == "__main__":
    print(repr(main(sys.argv[1:])))
