# tries: to reach the API by other spellings of its address
# expects: 403 502 | 403
# layer: gateway
# network: open
port = os.environ['API'].split(':')[1]
tunnel(*(f'{host}:{port}' for host in ['localhost', 'LOCALHOST.', '127.1', '2130706433', '0x7f000001', '0177.0.0.1', '0.0.0.0', '[::1]', '[::]',
         '[::ffff:127.0.0.1]', '[64:ff9b::7f00:1]', '[2002:7f00:1::]', '127.0.0.1.']))
