# tries: to take the kernel's memory by full pipes and sockets
# expects: EMFILE
# layer: control groups
if (child := os.fork()) == 0:
    try:
        import fcntl
        held = []
        while True:
            ours, theirs = os.pipe()
            try: fcntl.fcntl(theirs, fcntl.F_SETPIPE_SZ, 1 << 20)
            except PermissionError: pass
            os.set_blocking(theirs, False)
            try:
                while os.write(theirs, bytes(65536)): pass
            except BlockingIOError: pass
            pair = socket.socketpair()
            pair[0].setblocking(False)
            try:
                while pair[0].send(bytes(65536)): pass
            except BlockingIOError: pass
            held += [ours, theirs, pair]
    except OSError as error: os._exit(error.errno)
    except MemoryError: os._exit(errno.ENOMEM)
    os._exit(0)
_, status = os.waitpid(child, 0)
if os.WIFSIGNALED(status): refused(f'killed by {os.WTERMSIG(status)}')
code = os.waitstatus_to_exitcode(status)
refused(errno.errorcode[code]) if code else escaped('there was no end of it')
