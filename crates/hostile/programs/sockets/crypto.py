# tries: to use the kernel's own ciphers
# expects: EPERM
# layer: seccomp
# docker: EAFNOSUPPORT | EPERM
attempt_all(*((socket.socket, *kind) for kind in [(38, 5, 0)]))
