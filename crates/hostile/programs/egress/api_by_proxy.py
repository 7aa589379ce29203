# tries: to reach the server's API by the proxy
# expects: 400 403
# layer: gateway
# network: open
api = os.environ['API']
says = {ask(text) for text in [f'CONNECT {api} HTTP/1.1\r\nHost: {api}\r\n\r\n', f'GET http://{api}/jobs HTTP/1.1\r\nHost: {api}\r\n\r\n',
        f'POST http://{api}/schedule HTTP/1.1\r\nHost: {api}\r\nContent-Length: 2\r\n\r\n{{}}', f'GET http://u:p@{api}/jobs HTTP/1.1\r\nHost: x\r\n\r\n']}
escaped(says) if '200' in says else refused(' '.join(sorted(says)))
