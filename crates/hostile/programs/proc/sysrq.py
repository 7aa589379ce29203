# tries: to crash or restart the machine
# expects: EACCES | ENOENT
# layer: mounts
attempt(write, '/proc/sysrq-trigger', 'h')
