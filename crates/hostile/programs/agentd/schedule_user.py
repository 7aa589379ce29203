# tries: to have all of its user, who may be that of agentd, scheduled last
# expects: EPERM
# layer: seccomp
# only: local
attempt_all((os.setpriority, os.PRIO_USER, 0, 19), (call, 'ioprio_set', 3, 0, 3 << 13))
