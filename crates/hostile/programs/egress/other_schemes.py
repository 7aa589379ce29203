# tries: to have the proxy fetch what is no http
# expects: 400
# layer: agentd
# network: open
says = {ask(f'GET {url} HTTP/1.1\r\nHost: x\r\n\r\n') for url in ['file:///etc/passwd', 'ftp://example.org/', 'https://example.org/', 'gopher://example.org/', 'unix:/run/cagent/gateway.sock', '/jobs', '*']}
escaped(says) if '200' in says else refused(' '.join(sorted(says)))
