import os
from multiprocessing import Lock, Process

def say_pid(lock):
    lock.acquire()
    print("process", os.getpid(), flush=True)
    lock.release()

if __name__ == "__main__":
    print("Main:", os.getpid(), flush=True)
    lock = Lock()
    processes = [Process(target=say_pid, args=(lock,)) for i in range(5)]
    for p in processes:
        p.start()
    for p in processes:
        p.join()
