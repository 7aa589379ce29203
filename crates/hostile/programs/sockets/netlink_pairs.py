# tries: to have pairs of other sockets
# expects: EPERM
# layer: seccomp
# docker: EAFNOSUPPORT ENOTSUP
attempt_all((socket.socketpair, 2, 1, 0), (socket.socketpair, 16, 3, 0), (socket.socketpair, 30, 1, 0))
