import math
import os
import time
from multiprocessing import Pool

def read_cpu():
    rows = [line.split() for line in open("/proc/stat")]
    rows = [[int(x) for x in row[1:9]] for row in rows if row[0][:3] == "cpu" and row[0] != "cpu"]
    return [(sum(row) - row[3] - row[4], sum(row)) for row in rows]

def compute(i):
    rounds, end = 0, time.monotonic() + 2
    while time.monotonic() < end:
        sum(math.sqrt(x) for x in range(20000))
        rounds += 1
    return rounds

def show(title, work):
    before = read_cpu()
    work()
    print(title)
    for core, ((busy0, all0), (busy1, all1)) in enumerate(zip(before, read_cpu())):
        share = (busy1 - busy0) / max(1, all1 - all0)
        print(f"  cpu{core:<3} [{'|' * round(40 * share):<40}] {share:4.0%}")

if __name__ == "__main__":
    with Pool(os.cpu_count()) as pool:
        show("before", lambda: time.sleep(1))
        show("alone", lambda: compute(1))
        show("during", lambda: pool.map(compute, range(os.cpu_count()), chunksize=1))
        show("after", lambda: time.sleep(1))
