# tries: to lock a file that it shares with the host, for as long as it lives
# expects: EPERM | EACCES | EBADF
# layer: none
# only: local
import fcntl
attempt(lambda: fcntl.flock(os.open('/usr/bin/env', os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB))
