# tries: to read files of the server
# expects: ENOENT
# layer: mounts
attempt_all(*((read, path) for path in [os.environ['HOST_FILE'], os.environ['DATA'] + '/cagent.db', os.environ['DATA'] + '/local.key',
              '/etc/ssh/ssh_host_ed25519_key', '/var/run/docker.sock']))
