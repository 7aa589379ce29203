# tries: to start a child with a user namespace and all others beneath it
# expects: EPERM
# layer: seccomp
attempt(clone, sum(flag for kind, flag in NEW.items() if kind != 'time'))
