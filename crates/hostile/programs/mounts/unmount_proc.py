# tries: to unmount what hides parts of /proc
# expects: EPERM
# layer: seccomp
attempt_all(*((call, 'umount2', path, 2) for path in [b'/proc/kcore', b'/proc/sys', b'/proc', b'/dev']))
