# tries: to start a child in another control group (CLONE_INTO_CGROUP)
# expects: ENOSYS
# layer: seccomp
attempt(call, 'clone3', struct.pack('11Q', 0x200000000, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, 0, 0, os.open('/', os.O_RDONLY)), 88)
