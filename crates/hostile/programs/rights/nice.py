# tries: to be scheduled before others
# expects: EACCES
# layer: capabilities
attempt(os.setpriority, os.PRIO_PROCESS, 0, -20)
