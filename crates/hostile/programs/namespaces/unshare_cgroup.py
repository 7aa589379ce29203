# tries: to leave its cgroup namespace for a new one
# expects: EPERM
# layer: seccomp
attempt(call, 'unshare', NEW['cgroup'])
