# tries: to set a release agent where control groups are on hosts
# expects: ENOENT
# layer: mounts
# docker: ENOENT | EROFS | EACCES ENOENT | ENOENT EROFS
attempt_all(*((write, f'/sys/fs/cgroup/{group}release_agent', '/workspace/handler') for group in ['', 'rdma/', 'memory/', 'pids/', 'systemd/']))
