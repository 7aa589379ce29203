# tries: to leave its net namespace for a new one
# expects: EPERM
# layer: seccomp
attempt(call, 'unshare', NEW['net'])
