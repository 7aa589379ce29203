# tries: to exchange the agentd that other jobs start too
# expects: EACCES EROFS
# layer: mounts
attempt_all((os.truncate, '/opt/cagent/bin/agentd', 0), (os.unlink, '/opt/cagent/bin/agentd'), (os.rename, '/opt/cagent/bin', '/opt/cagent/old'))
