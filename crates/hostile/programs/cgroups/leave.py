# tries: to leave its control groups for those above
# expects: ENOENT
# layer: mounts
# docker: ENOENT | EROFS ENOENT | ENOENT EROFS | EACCES ENOENT EROFS | EACCES ENOENT
groups = [line.strip().split(':') for line in open('/proc/self/cgroup')]
places = {f'/sys/fs/cgroup/{names.removeprefix("name=")}{part}/{file}' for _, names, path in groups for part in ['', path, path + '/..']
          for file in ['cgroup.procs', 'tasks', 'memory.limit_in_bytes', 'memory.max', 'pids.max']}
attempt_all(*((write, place, str(os.getpid())) for place in places))
