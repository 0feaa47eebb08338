"""Python's Pool.map with 4 results of 100 MB (bytes, no numpy). Prints one number, in seconds.

peer_large.py results
"""

import multiprocessing as mp
import statistics
import sys
import time


def big(i):
    return bytes([i]) * 100000000


def results():
    times = []
    with mp.Pool(2) as pool:
        pool.map(big, range(4))
        for _ in range(3):
            start = time.perf_counter()
            pool.map(big, range(4))
            times.append(time.perf_counter() - start)
    return statistics.median(times)


if __name__ == "__main__":
    if sys.argv[1:] != ["results"]:
        sys.exit("usage: peer_large.py results")
    mp.set_start_method("fork")
    print(repr(results()))
