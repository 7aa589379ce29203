# tries: to type into a terminal for another program (TIOCSTI)
# expects: EPERM
# layer: seccomp
# docker: EIO | EPERM
ours, theirs = os.openpty()
attempt_all((call, 'ioctl', theirs, 0x5412, b'x'), (call, 'ioctl', theirs, 0x100005412, b'x'))
