# tries: to leave its uts namespace for a new one
# expects: EPERM
# layer: seccomp
attempt(call, 'unshare', NEW['uts'])
