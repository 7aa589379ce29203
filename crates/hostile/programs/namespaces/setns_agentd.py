# tries: to open agentd's namespaces
# expects: EACCES
# layer: users
attempt_all(*((os.open, f'/proc/1/ns/{kind}', os.O_RDONLY) for kind in ['mnt', 'user', 'pid', 'net']))
