# tries: to read how the host was booted, its keys, timers and hardware
# expects: EACCES
# layer: mounts
# only: local
attempt_all(*((read, '/proc/' + name) for name in ['cmdline', 'keys', 'timer_list'] if os.path.exists('/proc/' + name)))
