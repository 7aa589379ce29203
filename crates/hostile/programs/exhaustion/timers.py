# tries: to take all timers
# expects: EAGAIN
# layer: rlimits
until(4096, lambda: call('timer_create', 1, 0, bytes(8)))
