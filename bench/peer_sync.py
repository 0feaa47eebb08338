"""Python's Lock, Queue and Pipe, measured for the R script beside this file. Prints one number, in seconds.

peer_sync.py lock | queue N | queue_mb N | pipe
"""

import multiprocessing as mp
import statistics
import sys
import time


def lock():
    one, n, times = mp.Lock(), 100000, []
    for _ in range(7):
        start = time.perf_counter()
        for _ in range(n):
            one.acquire()
            one.release()
        times.append((time.perf_counter() - start) / n)
    return statistics.median(times)


def produce(queue, ready, go, item, n):
    ready.put(True)
    go.get()
    for _ in range(n):
        queue.put(item)


def through_queue(item, n):
    queue, ready, go = mp.Queue(), mp.Queue(), mp.Queue()
    child = mp.Process(target=produce, args=(queue, ready, go, item, n))
    child.start()
    ready.get()
    start = time.perf_counter()
    go.put(True)
    for _ in range(n):
        queue.get()
    taken = time.perf_counter() - start
    child.join()
    return taken / n


def echo(end):
    while True:
        x = end.recv()
        if x is None:
            return
        end.send(x)


def pipe():
    mine, theirs = mp.Pipe()
    child = mp.Process(target=echo, args=(theirs,))
    child.start()
    times, n = [], 2000
    for _ in range(7):
        start = time.perf_counter()
        for _ in range(n):
            mine.send(1.0)
            mine.recv()
        times.append((time.perf_counter() - start) / n)
    mine.send(None)
    child.join()
    return statistics.median(times)


def main(argv):
    mp.set_start_method("fork")
    if argv[0] == "lock":
        return lock()
    if argv[0] == "queue":
        return through_queue(1.0, int(argv[1]))
    if argv[0] == "queue_mb":
        return through_queue(bytes(2**20), int(argv[1]))
    return pipe()


if __name__ == "__main__":
    print(repr(main(sys.argv[1:])))
