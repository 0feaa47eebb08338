"""Python's multiprocessing.Pool, measured for the R scripts beside this file. Prints one number, in seconds.

peer_pool.py latency | latency_asleep | map N [CHUNKSIZE] | start N RUNS | smallest
"""

import multiprocessing as mp
import statistics
import sys
import time


def same(x):
    return x


def steps(job):
    x, k = job
    s = 0.0
    for j in range(k):
        s += j * x
    return s


def batches(call, total=0.5, count=7):
    """Seconds per call: the median of some batches, each long enough for the clock."""
    call()
    start = time.perf_counter()
    call()
    one = max(time.perf_counter() - start, 1e-8)
    n = max(1, int(total / count / one))
    times = []
    for _ in range(count):
        start = time.perf_counter()
        for _ in range(n):
            call()
        times.append((time.perf_counter() - start) / n)
    return statistics.median(times)


def latency(pool):
    return batches(lambda: pool.apply(same, (1,)))


def latency_asleep(pool):
    times = []
    for _ in range(40):
        time.sleep(0.01)
        start = time.perf_counter()
        pool.apply(same, (1,))
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def start(n, runs):
    times = []
    for _ in range(runs):
        begin = time.perf_counter()
        pool = mp.Pool(n)
        pool.map(same, range(n))
        times.append(time.perf_counter() - begin)
        pool.terminate()
        pool.join()
    return statistics.median(times)


def smallest(pool):
    """The size of job, as map() takes it in one process, from which on two workers win twice in a row."""
    per_step = batches(lambda: list(map(steps, [(x, 10000) for x in range(16)])), 0.1) / 10000
    wins, size, found = 0, 2e-5, float("inf")
    while size < 0.5:
        jobs = [(x, max(1, int(size / per_step))) for x in range(16)]
        alone, together = [], []
        for _ in range(15 if size < 0.02 else 7):
            begin = time.perf_counter()
            list(map(steps, jobs))
            middle = time.perf_counter()
            pool.map(steps, jobs)
            end = time.perf_counter()
            alone.append(middle - begin)
            together.append(end - middle)
        wins = wins + 1 if statistics.median(together) < statistics.median(alone) else 0
        if wins == 1:
            found = statistics.median(alone)
        if wins == 2:
            return found
        size *= 1.3
    return float("inf")


def main(argv):
    mp.set_start_method("fork")
    what, numbers = argv[0], [int(a) for a in argv[1:]]
    if what == "start":
        return start(*numbers)
    if what == "map":
        n, rest = numbers[0], numbers[1:]
        with mp.Pool(2) as pool:
            return batches(lambda: pool.map(same, range(n), *rest)) / n
    with mp.Pool(2 if what == "smallest" else 1) as pool:
        return {"latency": latency, "latency_asleep": latency_asleep, "smallest": smallest}[what](pool)


if __name__ == "__main__":
    print(repr(main(sys.argv[1:])))
