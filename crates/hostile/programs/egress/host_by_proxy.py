# tries: to reach a service of the host by the proxy
# expects: 403
# layer: gateway
# network: open
port = os.environ['HOST_PORT']
tunnel(f'127.0.0.1:{port}', f'localhost:{port}', f'127.0.0.3:{port}', f'0.0.0.0:{port}')
