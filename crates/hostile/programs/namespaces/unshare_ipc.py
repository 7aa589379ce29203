# tries: to leave its ipc namespace for a new one
# expects: EPERM
# layer: seccomp
attempt(call, 'unshare', NEW['ipc'])
