# tries: to hold up who opens a file that it shares (F_SETLEASE)
# expects: EACCES
# layer: kernel
# docker: EACCES | EAGAIN
import fcntl
attempt_all(*((fcntl.fcntl, os.open(path, os.O_RDONLY), fcntl.F_SETLEASE, fcntl.F_RDLCK) for path in ['/usr/bin/env', '/opt/cagent/bin/agentd']))
