# tries: to write where nothing of a job belongs
# expects: EROFS | EACCES EROFS
# layer: mounts
attempt_all(*((make, place + '/planted') for place in ['', '/etc', '/dev', '/home', '/opt/cagent', '/opt/cagent/bin']))
