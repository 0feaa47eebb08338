"""Python's Pool.map with large data (bytes, no numpy).

peer_large.py time              4 results of 100 MB; prints one number, in seconds
peer_large.py results|inputs F  once: 4 results of 100 MB, or 400 MB read by 4 tasks; writes into the file F
                                from when to when, for a sampler of memory
"""

import multiprocessing as mp
import os
import statistics
import sys
import time


def big(i):
    return bytes([i]) * 100000000


def read(i, m):
    return sum(m[:: 4096]) + i


def results(pool):
    return pool.map(big, range(4))


def inputs(pool, m):
    return pool.starmap(read, [(i, m) for i in range(4)])


def timed(pool):
    results(pool)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        results(pool)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def marked(call, file):
    start = time.time()
    value = call()
    time.sleep(0.5)  # `value` is held for a moment, for the sampler
    with open(file + ".part", "w") as out:
        out.write("%.6f\n%.6f\n" % (start, time.time()))
    os.rename(file + ".part", file)
    return value


if __name__ == "__main__":
    work = sys.argv[1:2]
    if len(sys.argv) != {"time": 2, "results": 3, "inputs": 3}.get("".join(work), 0):
        sys.exit(__doc__)
    mp.set_start_method("fork")
    with mp.Pool(2) as pool:
        if work == ["time"]:
            print(repr(timed(pool)))
        elif work == ["results"]:
            marked(lambda: results(pool), sys.argv[2])
        else:
            m = bytes(range(256)) * (400000000 // 256)
            marked(lambda: inputs(pool, m), sys.argv[2])
