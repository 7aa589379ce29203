# tries: to fill memory by its /tmp
# expects: ENOSPC
# layer: mounts
# docker: killed by 9, ends limit:memory | ends limit:memory | ENOSPC
# limits: {"file_bytes": 2147483648}
if (child := os.fork()) == 0:
    try:
        with open('/tmp/big', 'wb', buffering=0) as big:
            for _ in range(1024): big.write(bytes(1 << 20))
    except OSError as error: os._exit(error.errno)
    except MemoryError: os._exit(errno.ENOMEM)
    os._exit(0)
_, status = os.waitpid(child, 0)
if os.WIFSIGNALED(status): refused(f'killed by {os.WTERMSIG(status)}')
code = os.waitstatus_to_exitcode(status)
refused(errno.errorcode[code]) if code else escaped('there was no end of it')
