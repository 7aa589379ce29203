# tries: to mount by the newer calls
# expects: EPERM
# layer: seccomp
attempt_all((call, 'fsopen', b'tmpfs', 0), (call, 'fsmount', 0, 0, 0), (call, 'fsconfig', 0, 6, 0, 0, 0),
            (call, 'fspick', -100, b'/usr', 0), (call, 'move_mount', 0, b'', -100, b'/tmp', 4),
            (call, 'mount_setattr', -100, b'/usr', 0, bytes(32), 32))
