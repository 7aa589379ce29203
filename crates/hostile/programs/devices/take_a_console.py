# tries: to take the messages of the console (TIOCCONS)
# expects: EPERM
# layer: capabilities
import fcntl
ours, theirs = os.openpty()
attempt(fcntl.ioctl, theirs, 0x541d)
