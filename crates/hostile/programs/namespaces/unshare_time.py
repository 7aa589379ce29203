# tries: to leave its time namespace for a new one
# expects: EPERM
# layer: seccomp
attempt(call, 'unshare', NEW['time'])
