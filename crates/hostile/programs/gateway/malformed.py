# tries: to confuse the proxy by what is no HTTP
# expects: 400 | 400 closed | 400 505 | 400 closed reset
# layer: agentd
# network: open
says = {ask(text) for text in [b'\0' * 100, b'GET\r\n\r\n', b'GET http://a b HTTP/1.1\r\n\r\n', b'CONNECT HTTP/1.1\r\n\r\n', b'GET / HTTP/9.9\r\n\r\n',
        b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', b'GET http://example.org/ HTTP/1.1\r\nContent-Length: -1\r\n\r\n', b'\x16\x03\x01\x02\0']}
refused(' '.join(sorted(says)))
