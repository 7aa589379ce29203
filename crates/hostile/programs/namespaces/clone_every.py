# tries: to start a child in a new namespace of each kind that clone knows
# expects: EPERM
# layer: seccomp
attempt_all(*((clone, flag) for kind, flag in NEW.items() if kind != 'time'))
