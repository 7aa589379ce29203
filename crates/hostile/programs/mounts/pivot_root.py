# tries: to change its root
# expects: EPERM
# layer: seccomp
attempt(call, 'pivot_root', b'/tmp', b'/tmp')
