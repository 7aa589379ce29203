# tries: to keep a place with a head that never ends
# expects: hung up
# layer: agentd
# network: open
stream = connect('127.0.0.1', 3128)
stream.settimeout(100)
begun = time.monotonic()
stream.sendall(b'GET http://example.org/ HTTP/1.1\r\n')
try:
    while time.monotonic() < begun + 90:
        stream.sendall(b'X: y\r\n')
        stream.settimeout(1)
        try: answer = stream.recv(4096)
        except TimeoutError: continue
        refused('hung up')
except (ConnectionResetError, BrokenPipeError): refused('hung up')
escaped('still there')
