# tries: to reach hardware by its ports
# expects: EPERM
# layer: seccomp
attempt_all((call, 'iopl', 3), (call, 'ioperm', 0x80, 1, 1))
