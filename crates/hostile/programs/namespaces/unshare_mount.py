# tries: to leave its mount namespace for a new one
# expects: EPERM
# layer: seccomp
attempt(call, 'unshare', NEW['mount'])
