# tries: to read what others send
# expects: EPERM
# layer: seccomp
# docker: EPERM
attempt_all(*((socket.socket, *kind) for kind in [(17, 3, 0), (17, 2, 0), (17, 10, 0)]))
