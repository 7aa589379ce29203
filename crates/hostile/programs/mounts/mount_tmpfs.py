# tries: to mount a file system
# expects: EPERM
# layer: seccomp
attempt(call, 'mount', b'none', b'/tmp', b'tmpfs', 0, 0)
