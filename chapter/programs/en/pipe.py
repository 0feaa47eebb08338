from multiprocessing import Pipe, Process

def talk_first(end):
    end.send("hello")
    print("proc1 rec:", end.recv())

def answer(end):
    print("proc2 rec:", end.recv())
    end.send("hello, too")

if __name__ == "__main__":
    ends = Pipe()
    proc1 = Process(target=talk_first, args=(ends[0],))
    proc2 = Process(target=answer, args=(ends[1],))
    proc1.start()
    proc2.start()
    proc1.join()
    proc2.join()
