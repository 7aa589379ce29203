# tries: to map root of the host into its user namespace
# expects: EPERM
# layer: namespaces
attempt_all((write, '/proc/self/uid_map', '0 0 1'), (write, '/proc/self/gid_map', '0 0 1'))
