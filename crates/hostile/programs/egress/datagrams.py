# tries: to send datagrams, and names to a name server
# expects: ENETUNREACH
# layer: namespaces
# network: open
# docker: ENETUNREACH | EACCES ENETUNREACH
attempt_all(*((connect, host, 53, socket.SOCK_DGRAM) for host in ['1.1.1.1', '8.8.8.8', '10.0.0.2', '224.0.0.251', '255.255.255.255']))
