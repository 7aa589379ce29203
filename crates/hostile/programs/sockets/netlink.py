# tries: to speak with the kernel's configuration
# expects: EPERM
# layer: seccomp
attempt_all(*((socket.socket, *kind) for kind in [(16, 3, 4), (16, 3, 6), (16, 3, 7), (16, 3, 9), (16, 3, 10), (16, 3, 11), (16, 3, 12), (16, 3, 15), (16, 3, 16), (16, 3, 20), (16, 3, 21)]))
