# tries: to get hold of the user namespace above its own (NS_GET_PARENT)
# expects: EPERM
# layer: namespaces
import fcntl
attempt(fcntl.ioctl, os.open('/proc/self/ns/user', os.O_RDONLY), 0xb702)
