# tries: to trace a program of its own, for a way around the filter
# expects: EPERM
# layer: seccomp
# only: local
attempt_all((call, 'ptrace', 0, 0, 0, 0), (call, 'ptrace', 16, os.spawnlp(os.P_NOWAIT, 'sleep', 'sleep', '60'), 0, 0))
