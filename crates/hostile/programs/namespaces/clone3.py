# tries: to pass by the filter of clone with flags in memory
# expects: ENOSYS
# layer: seccomp
attempt(call, 'clone3', struct.pack('11Q', NEW['user'], 0, 0, 0, signal.SIGCHLD, 0, 0, 0, 0, 0, 0), 88)
