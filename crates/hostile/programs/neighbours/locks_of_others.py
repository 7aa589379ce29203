# tries: to lock a file that it shares with all other jobs, for as long as it lives
# expects: EPERM | EACCES | EBADF
# layer: none
import fcntl
attempt(lambda: fcntl.flock(os.open('/opt/cagent/bin/agentd', os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB))
