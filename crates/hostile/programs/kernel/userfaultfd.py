# tries: to stop the kernel in the middle of a copy
# expects: EPERM
# layer: seccomp
attempt_all((call, 'userfaultfd', 1), (call, 'userfaultfd', 0))
