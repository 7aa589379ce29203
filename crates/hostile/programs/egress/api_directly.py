# tries: to reach the server's API
# expects: ECONNREFUSED
# layer: namespaces
# network: open
# docker: ECONNREFUSED | EADDRNOTAVAIL ECONNREFUSED
host, port = os.environ['API'].split(':')
attempt_all((connect, host, int(port)), (connect, '127.0.0.1', int(os.environ['HOST_PORT'])), (connect, '::1', int(port), socket.SOCK_STREAM, socket.AF_INET6))
