# tries: to put a gateway of its own in the place of the real one
# expects: EACCES | EACCES EROFS
# layer: users
# docker: EACCES | EACCES EPERM | EACCES EROFS | EACCES EBUSY EROFS | EACCES EPERM EROFS
def bind(path): socket.socket(socket.AF_UNIX).bind(path)
attempt_all((bind, '/run/cagent/gateway.sock'), (os.unlink, '/run/cagent/gateway.sock'), (os.rename, '/run/cagent', '/run/mine'), (os.chmod, '/run/cagent', 0o777))
