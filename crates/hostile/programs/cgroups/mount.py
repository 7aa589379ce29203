# tries: to mount the control groups, for a release agent (as CVE-2022-0492)
# expects: EPERM
# layer: seccomp
attempt_all((call, 'mount', b'none', b'/tmp', b'cgroup', 0, b'rdma'), (call, 'mount', b'none', b'/tmp', b'cgroup2', 0, 0), (call, 'fsopen', b'cgroup2', 0))
