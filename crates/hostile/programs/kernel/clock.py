# tries: to set the machine's clock
# expects: EPERM
# layer: seccomp
attempt_all((call, 'clock_settime', 0, struct.pack('qq', int(time.time()), 0)), (call, 'settimeofday', struct.pack('qq', int(time.time()), 0), 0), (call, 'adjtimex', struct.pack('I', 1) + bytes(204)))
