# tries: to be taken for a request to another host (Host against address)
# expects: named by its address
# layer: agentd
# network: open
# docker: named by its address
bait = os.environ['BAIT']
with connect('127.0.0.1', 3128) as stream:
    stream.sendall(f'GET http://{bait}/host HTTP/1.1\r\nHost: {os.environ["API"]}\r\nConnection: close\r\n\r\n'.encode())
    said = b''.join(iter(lambda: stream.recv(4096), b'')).decode()
refused('named by its address') if said.endswith(bait) else escaped(said)
