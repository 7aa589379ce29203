# tries: to read places of the host that an image has of its own
# expects: ENOENT
# layer: mounts
# only: local
attempt_all(*((os.stat, path) for path in ['/etc/shadow', '/etc/ssh/sshd_config', '/etc/ssl/private', '/root', '/var/log', '/var/lib', '/boot', '/mnt', '/srv']))
