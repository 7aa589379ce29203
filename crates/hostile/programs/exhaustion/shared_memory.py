# tries: to take memory by System V segments
# expects: killed by 9, ends limit:memory
# layer: control groups
if (child := os.fork()) == 0:
    try:
        libc.shmat.restype = ctypes.c_void_p
        for number in range(64):
            segment = libc.shmget(number + 1, 16 << 20, 0o1600)
            ctypes.memset(libc.shmat(segment, 0, 0), 1, 16 << 20)
    except OSError as error: os._exit(error.errno)
    except MemoryError: os._exit(errno.ENOMEM)
    os._exit(0)
_, status = os.waitpid(child, 0)
if os.WIFSIGNALED(status): refused(f'killed by {os.WTERMSIG(status)}')
code = os.waitstatus_to_exitcode(status)
refused(errno.errorcode[code]) if code else escaped('there was no end of it')
