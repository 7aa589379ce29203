# tries: to fill memory by all places that are memory
# expects: killed by 9, ends limit:memory
# layer: control groups
# docker: killed by 9, ends limit:memory | killed by 9 | ENOSPC
if (child := os.fork()) == 0:
    try:
        for place in ['/tmp', '/dev/shm', '/home/agent']:
            for number in range(12):
                try:
                    with open(f'{place}/{number}', 'wb', buffering=0) as big: big.write(b'x' * (8 << 20))
                except OSError: pass
    except OSError as error: os._exit(error.errno)
    except MemoryError: os._exit(errno.ENOMEM)
    os._exit(0)
_, status = os.waitpid(child, 0)
if os.WIFSIGNALED(status): refused(f'killed by {os.WTERMSIG(status)}')
code = os.waitstatus_to_exitcode(status)
refused(errno.errorcode[code]) if code else escaped('there was no end of it')
