# tries: to be connected to, and to send datagrams, by SOCKS
# expects: not supported
# layer: agentd
# network: open
def socks(order):
    with connect('127.0.0.1', 1080) as stream:
        stream.sendall(b'\5\1\0')
        stream.recv(2)
        stream.sendall(bytes([5, order, 0, 1, 1, 1, 1, 1, 0, 53]))
        return stream.recv(64)[1]
says = {socks(order) for order in [2, 3, 9]}
refused('not supported') if says == {7} else escaped(says)
