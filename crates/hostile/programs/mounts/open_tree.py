# tries: to copy its tree of mounts
# expects: EPERM
# layer: seccomp
attempt(call, 'open_tree', -100, b'/', 0x8001)
