# tries: to make /usr writable
# expects: EPERM
# layer: seccomp
attempt(call, 'mount', 0, b'/usr', 0, 0x1020, 0)
