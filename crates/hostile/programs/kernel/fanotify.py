# tries: to watch and hold up what others open
# expects: EPERM
# layer: seccomp
attempt_all((call, 'fanotify_init', 4, 0), (call, 'fanotify_init', 0x200, 0))
