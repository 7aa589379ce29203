# tries: to reach a port of another job's
# expects: ECONNREFUSED
# layer: namespaces
# docker: ECONNREFUSED | EADDRNOTAVAIL ECONNREFUSED
attempt_all((connect, '127.0.0.1', 4711), (connect, '127.0.0.2', 4711), (connect, '::1', 4711, socket.SOCK_STREAM, socket.AF_INET6))
