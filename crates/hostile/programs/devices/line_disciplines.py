# tries: to have line disciplines loaded, and to paste on the console
# expects: EPERM
# layer: seccomp
# docker: EINVAL ENOTTY | ENOTTY | EPERM ENOTTY
ours, theirs = os.openpty()
attempt_all((call, 'ioctl', theirs, 0x5423, struct.pack('i', 21)), (call, 'ioctl', theirs, 0x541c, b'\3'))
