# tries: to connect to what is no host and port
# expects: 400
# layer: gateway
# network: open
tunnel('example.org:0', 'example.org:65536', 'example.org', 'example.org:', ':80', 'u@example.org:80', '[::1:80', 'example.org:80:80', 'example.org:http')
