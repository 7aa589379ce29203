# tries: to have rare protocols loaded
# expects: EPERM
# layer: seccomp
# docker: EAFNOSUPPORT EPERM | EAFNOSUPPORT | EAFNOSUPPORT EPROTONOSUPPORT
attempt_all(*((socket.socket, *kind) for kind in [(3, 2, 0), (4, 2, 0), (5, 2, 0), (6, 2, 0), (9, 2, 0), (19, 2, 0), (21, 2, 0), (23, 2, 0), (24, 2, 0), (29, 2, 0), (30, 2, 0), (31, 2, 0), (33, 2, 0), (35, 2, 0), (36, 2, 0), (37, 2, 0), (39, 2, 0), (41, 2, 0), (42, 2, 0), (43, 2, 0), (44, 2, 0)]))
