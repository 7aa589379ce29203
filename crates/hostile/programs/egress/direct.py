# tries: to connect without the proxy
# expects: ENETUNREACH
# layer: namespaces
# network: open
# docker: EADDRNOTAVAIL ENETUNREACH | ENETUNREACH
attempt_all((connect, '192.0.2.1', 80), (connect, '1.1.1.1', 443), (connect, '2606:4700:4700::1111', 443, socket.SOCK_STREAM, socket.AF_INET6), (connect, '169.254.169.254', 80))
