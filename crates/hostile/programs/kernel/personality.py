# tries: to turn off the random layout of memory
# expects: EPERM
# layer: seccomp
attempt_all((call, 'personality', 0x0040000), (call, 'personality', 0x0400000), (call, 'personality', 8))
