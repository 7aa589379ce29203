# tries: to make itself an interface and a way out
# expects: EPERM
# layer: capabilities
route = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
def tell(kind, body):
    route.send(struct.pack('IHHII', 16 + len(body), kind, 5 | 0x600, 1, 0) + body)
    error, = struct.unpack_from('i', route.recv(4096), 16)
    if error: raise OSError(-error, 'netlink')
link = struct.pack('BxHiII', 0, 0, 0, 0, 0)
attempt_all((tell, 16, link + struct.pack('HH', 8, 3) + b'x0\0\0' + struct.pack('HHHH4s', 16, 18, 9, 1, b'dumm')),
            (tell, 20, struct.pack('BBBBI', 2, 8, 0, 0, 1) + struct.pack('HH4B', 8, 2, 10, 0, 0, 1)),
            (tell, 24, struct.pack('BBBBBBBBI', 2, 0, 0, 0, 254, 3, 253, 1, 0) + struct.pack('HHI', 8, 4, 1)))
