# tries: to have a second question answered after one that was refused
# expects: 403
# layer: agentd
# network: open
one = f'CONNECT {os.environ["API"]} HTTP/1.1\r\nHost: x\r\n\r\n'
with connect('127.0.0.1', 3128) as stream:
    stream.sendall((one * 1000).encode())
    said = b''
    try:
        while piece := stream.recv(65536): said += piece
    except ConnectionResetError: pass
escaped(said) if b' 200 ' in said else refused(said.split()[1].decode())
