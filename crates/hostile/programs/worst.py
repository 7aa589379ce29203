"""Takes all it can of everything, over and over, until somebody ends it."""
import os, signal, sys, time

def processor():
    while True:
        sum(range(100000))

def memory():
    while True:
        taken = [bytearray(b'x' * (16 << 20)) for _ in range(40)]

def disk():
    while True:
        with open('/workspace/big', 'wb', buffering=0) as big:
            for _ in range(64):
                big.write(os.urandom(1 << 20))
            os.fsync(big.fileno())

def files():
    numbers = iter(range(1 << 60))
    while True:
        name = f'/workspace/{next(numbers) % 1000}'
        open(name, 'w').close()
        os.remove(name)

def processes():
    while True:
        if (child := os.fork()) == 0:
            os._exit(0)
        os.waitpid(child, 0)

def output():
    while True:
        sys.stdout.write('x' * 79 + '\n')
        sys.stdout.flush()
        time.sleep(0.001)

for worst in [processor, processor, processor, memory, disk, files, processes, output]:
    if os.fork() == 0:
        worst()
signal.pause()
