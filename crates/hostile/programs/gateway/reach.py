# tries: to reach the gateway as somebody else than agentd
# expects: EACCES
# layer: users
def reach(path):
    socket.socket(socket.AF_UNIX).connect(path)
attempt_all((reach, '/run/cagent/gateway.sock'), (os.listdir, '/run/cagent'), (reach, '/proc/1/root' + '/run/cagent/gateway.sock'))
