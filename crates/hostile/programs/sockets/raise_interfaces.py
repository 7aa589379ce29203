# tries: to change its interface by the older calls
# expects: EPERM
# layer: capabilities
import fcntl
any_socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
address = b'lo'.ljust(16, b'\0') + struct.pack('HH4B', 2, 0, 10, 0, 0, 1) + bytes(8)
attempt_all((fcntl.ioctl, any_socket, 0x8916, address), (fcntl.ioctl, any_socket, 0x8914, b'lo'.ljust(40, b'\0')), (fcntl.ioctl, any_socket, 0x8924, address))
