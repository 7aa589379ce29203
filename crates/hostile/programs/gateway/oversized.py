# tries: to have the proxy keep a megabyte of a head
# expects: 431 | reset
# layer: agentd
# network: open
refused(ask('GET http://example.org/ HTTP/1.1\r\nX: ' + 'x' * (1 << 20)))
