# tries: to read what each page of the machine is used for
# expects: EPERM EACCES | EACCES
# layer: capabilities
attempt_all(*((os.open, '/proc/' + name, os.O_RDONLY) for name in ['kpagecount', 'kpageflags', 'vmallocinfo', 'slabinfo'] if os.path.exists('/proc/' + name)))
