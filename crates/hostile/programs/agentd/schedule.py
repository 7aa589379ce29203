# tries: to have agentd scheduled last, on one processor
# expects: EPERM
# layer: seccomp
attempt_all((os.sched_setaffinity, AGENTD, [0]), (os.sched_setscheduler, AGENTD, os.SCHED_IDLE, os.sched_param(0)),
            (os.setpriority, os.PRIO_PROCESS, AGENTD, 19), (call, 'ioprio_set', 1, AGENTD, 3 << 13),
            (call, 'sched_setattr', AGENTD, struct.pack('IIQiIQQQ', 48, 5, 0, 0, 0, 0, 0, 0), 0))
