# tries: to take memory by files that are nowhere
# expects: killed by 9, ends limit:memory
# layer: control groups
if (child := os.fork()) == 0:
    try:
        for number in range(64): os.write(os.memfd_create(str(number)), bytes(15 << 20))
    except OSError as error: os._exit(error.errno)
    except MemoryError: os._exit(errno.ENOMEM)
    os._exit(0)
_, status = os.waitpid(child, 0)
if os.WIFSIGNALED(status): refused(f'killed by {os.WTERMSIG(status)}')
code = os.waitstatus_to_exitcode(status)
refused(errno.errorcode[code]) if code else escaped('there was no end of it')
