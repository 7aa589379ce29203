# tries: to be scheduled before all others
# expects: EPERM
# layer: capabilities
attempt_all((os.sched_setscheduler, 0, os.SCHED_FIFO, os.sched_param(99)), (os.sched_setscheduler, 0, os.SCHED_RR, os.sched_param(1)),
            (call, 'sched_setattr', 0, struct.pack('IIQiIQQQ', 48, 6, 0, 0, 0, 1000000, 2000000, 2000000), 0), (call, 'ioprio_set', 1, 0, 1 << 13))
