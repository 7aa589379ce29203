# tries: to reach the API by SOCKS
# expects: not allowed
# layer: gateway
# network: open
def socks(order, host, port):
    with connect('127.0.0.1', 1080) as stream:
        stream.sendall(b'\5\1\0')
        stream.recv(2)
        stream.sendall(bytes([5, order, 0, 3, len(host)]) + host.encode() + struct.pack('>H', port))
        return stream.recv(64)[1]
host, port = os.environ['API'].split(':')
says = {socks(1, host, int(port)) for host in [host, 'localhost', '0.0.0.0', '127.1']}
refused('not allowed') if says == {2} else escaped(says)
