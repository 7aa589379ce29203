# tries: to let its mounts propagate to the host
# expects: EPERM
# layer: seccomp
attempt(call, 'mount', 0, b'/', 0, 0x104000, 0)
