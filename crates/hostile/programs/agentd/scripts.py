# tries: to write where agentd keeps the scripts of steps
# expects: EACCES
# layer: users
attempt_all((make, '/run/steps/planted'), (make, '/run/planted'), (os.rename, '/run/steps', '/run/old'))
