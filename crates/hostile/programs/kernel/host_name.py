# tries: to rename its host
# expects: EPERM
# layer: seccomp
attempt_all((call, 'sethostname', b'planted', 7), (call, 'vhangup'))
