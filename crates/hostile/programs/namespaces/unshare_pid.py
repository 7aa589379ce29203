# tries: to leave its pid namespace for a new one
# expects: EPERM
# layer: seccomp
attempt(call, 'unshare', NEW['pid'])
