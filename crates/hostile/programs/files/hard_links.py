# tries: to link files of the host into its workspace
# expects: EXDEV | EPERM
# layer: mounts
# docker: EXDEV | EPERM | EPERM EXDEV
attempt_all(*((os.link, path, '/workspace/link') for path in ['/usr/bin/env', '/etc/passwd', '/opt/cagent/bin/agentd']))
