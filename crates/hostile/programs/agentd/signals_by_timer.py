# tries: to signal agentd from a timer (SIGEV_THREAD_ID)
# expects: EINVAL
# layer: kernel
attempt(call, 'timer_create', 1, struct.pack('Qiii', 0, 9, 4, 1) + bytes(44), bytes(8))
