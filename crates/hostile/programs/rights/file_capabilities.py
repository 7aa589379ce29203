# tries: to give a program of its own capabilities
# expects: EPERM
# layer: capabilities
make('/workspace/program')
attempt(os.setxattr, '/workspace/program', 'security.capability', struct.pack('<IIIIII', 0x2000001, 0xffffffff, 0, 0xffffffff, 0, 0)[:20])
