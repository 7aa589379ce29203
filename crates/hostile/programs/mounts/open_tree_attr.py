# tries: the same by the call of Linux 6.15, with other flags on it
# expects: EPERM | ENOSYS
# layer: capabilities
attempt(call, 'open_tree_attr', -100, b'/usr', 1, struct.pack('4Q', 0, 1, 0, 0), 32)
