# tries: to use io_uring, which filters do not see
# expects: EPERM
# layer: seccomp
attempt_all((call, 'io_uring_setup', 8, bytes(120)), (call, 'io_uring_enter', 0, 1, 0, 0, 0), (call, 'io_uring_register', 0, 0, 0, 0))
