# tries: to read the kernel's messages
# expects: EACCES EPERM | EPERM
# layer: capabilities
attempt_all((read, '/proc/kmsg'), (call, 'syslog', 3, bytes(4096), 4096))
