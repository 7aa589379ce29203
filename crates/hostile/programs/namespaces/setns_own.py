# tries: to enter a namespace it is in already
# expects: EPERM
# layer: seccomp
attempt(call, 'setns', os.open('/proc/self/ns/uts', os.O_RDONLY), 0)
