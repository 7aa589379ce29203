# tries: to take capabilities
# expects: EPERM
# layer: capabilities
attempt(call, 'capset', struct.pack('Ii', 0x20080522, 0), struct.pack('6I', 0xe0, 0xe0, 0, 0, 0, 0))
