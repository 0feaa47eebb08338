import time
from multiprocessing import Pool

from fx import fx                      # 工作进程也会导入它

def square(x):
    return x * x

def wait_and_tell(seconds):
    time.sleep(seconds)
    return f"slept for {seconds} s"

if __name__ == "__main__":             # 没有这一行，新启动的工作进程又会创建进程池
    pool = Pool(5)
    print(*pool.map(square, range(5)))
    print(*pool.map(fx, range(5)))
    for value in pool.imap(fx, range(5)):
        print(value)
    for text in pool.imap_unordered(wait_and_tell, [1.5, 0.1, 0.8]):
        print(text)
    pool.close()
    pool.join()
