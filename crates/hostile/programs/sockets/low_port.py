# tries: to be a service that others trust
# expects: EACCES
# layer: capabilities
# only: local
attempt_all(*((socket.create_server, ('127.0.0.1', port)) for port in [22, 53, 80, 443]))
