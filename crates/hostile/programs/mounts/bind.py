# tries: to mount a directory over another
# expects: EPERM
# layer: seccomp
attempt(call, 'mount', b'/tmp', b'/home', 0, 0x1000, 0)
