# tries: to watch the machine with performance counters
# expects: EPERM
# layer: seccomp
attempt_all((call, 'perf_event_open', struct.pack('IIQ', 0, 128, 0) + bytes(112), 0, -1, -1, 0))
