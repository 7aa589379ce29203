# tries: to write packets by itself
# expects: EPERM
# layer: capabilities
attempt_all(*((socket.socket, *kind) for kind in [(2, 3, 1), (2, 3, 255), (2, 3, 6), (10, 3, 58)]))
