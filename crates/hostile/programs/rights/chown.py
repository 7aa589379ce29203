# tries: to give files of its own to root
# expects: EPERM
# layer: capabilities
attempt_all((os.chown, '/workspace', 0, 0), (os.chown, make('/workspace/mine'), 0, -1), (os.chown, '/tmp', os.getuid(), -1))
