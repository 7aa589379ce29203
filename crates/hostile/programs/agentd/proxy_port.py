# tries: to take the port of agentd's proxy over (SO_REUSEPORT)
# expects: EADDRINUSE
# layer: kernel
def steal(port, address):
    with socket.socket() as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address, port))
        made.listen()
attempt_all(*((steal, port, address) for port in [3128, 1080] for address in ['127.0.0.1', '0.0.0.0']))
