# tries: to leave its user namespace for a new one
# expects: EPERM
# layer: seccomp
attempt(call, 'unshare', NEW['user'])
