import time
from multiprocessing import Pool

from fx import fx                      # workers import it, too

def square(x):
    return x * x

def wait_and_tell(seconds):
    time.sleep(seconds)
    return f"slept for {seconds} s"

if __name__ == "__main__":             # without it, every spawned worker starts a pool
    pool = Pool(5)
    print(*pool.map(square, range(5)))
    print(*pool.map(fx, range(5)))
    for value in pool.imap(fx, range(5)):
        print(value)
    for text in pool.imap_unordered(wait_and_tell, [1.5, 0.1, 0.8]):
        print(text)
    pool.close()
    pool.join()
