# tries: to have a name resolved, which is a way out too
# expects: no name
# layer: namespaces
# network: open
try: socket.getaddrinfo('planted.example.org', 80)
except socket.gaierror: refused('no name')
escaped('resolved')
