# tries: to use the kernel's keyrings, which know no namespaces
# expects: EPERM
# layer: seccomp
attempt_all((call, 'keyctl', 0, -3, 0), (call, 'add_key', b'user', b'planted', b'x', 1, -3), (call, 'request_key', b'user', b'planted', 0, -3))
