# tries: to take the machine's stock of asynchronous requests, which all users share
# expects: EPERM
# layer: seccomp
try: before, most = int(read('/proc/sys/fs/aio-nr')), int(read('/proc/sys/fs/aio-max-nr'))
except OSError: before, most = 0, 65536
attempt(call, 'io_setup', most // 2, bytes(8))
