# tries: to speak with the machine below, or beside
# expects: EPERM
# layer: seccomp
attempt_all(*((socket.socket, *kind) for kind in [(40, 1, 0), (40, 2, 0)]))
