# tries: to load and unload modules
# expects: EPERM
# layer: seccomp
attempt_all((call, 'init_module', bytes(64), 64, b''), (call, 'finit_module', 0, b'', 0), (call, 'delete_module', b'loop', 0))
