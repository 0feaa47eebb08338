import os
from datetime import datetime
from multiprocessing import Lock, Process, Queue

def produce(queue):
    queue.put(f"{os.getpid()}(put):{datetime.now():%H:%M:%S.%f}")

def consume(queue, lock):
    received = queue.get()
    with lock:
        print(os.getpid(), "get:", received, flush=True)

if __name__ == "__main__":
    queue = Queue(3)
    lock = Lock()
    producers = [Process(target=produce, args=(queue,)) for i in range(10)]
    consumers = [Process(target=consume, args=(queue, lock)) for i in range(10)]
    for p in producers + consumers:
        p.start()
    for p in producers:
        p.join()
    queue.close()
    for p in consumers:
        p.join()
