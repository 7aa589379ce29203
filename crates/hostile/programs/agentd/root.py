# tries: to leave by agentd's root
# expects: EACCES
# layer: users
attempt_all((os.listdir, '/proc/1/root'), (os.open, '/proc/1/cwd/..', os.O_RDONLY), (os.chdir, '/proc/1/root' + '/..'))
