# tries: to take nodev and nosuid off its /tmp
# expects: EPERM
# layer: seccomp
attempt(call, 'mount', 0, b'/tmp', 0, 0x20, 0)
