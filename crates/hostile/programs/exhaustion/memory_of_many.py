# tries: to take 1 GiB of memory with many processes
# expects: killed by 9, ends limit:memory
# layer: control groups
if (child := os.fork()) == 0:
    try:
        for _ in range(30):
            if os.fork() == 0:
                taken = bytearray(b'x' * (32 << 20))
                time.sleep(2)
                os._exit(0)
        while True:
            try: status = os.wait()[1]
            except ChildProcessError: break
            if os.WIFSIGNALED(status): os.kill(os.getpid(), 9)
    except OSError as error: os._exit(error.errno)
    except MemoryError: os._exit(errno.ENOMEM)
    os._exit(0)
_, status = os.waitpid(child, 0)
if os.WIFSIGNALED(status): refused(f'killed by {os.WTERMSIG(status)}')
code = os.waitstatus_to_exitcode(status)
refused(errno.errorcode[code]) if code else escaped('there was no end of it')
