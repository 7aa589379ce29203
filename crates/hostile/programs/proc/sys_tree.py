# tries: to find the devices and settings of /sys
# expects: ENOENT
# layer: mounts
# only: local
attempt_all(*((os.listdir, '/sys/' + name) for name in ['kernel/debug', 'kernel/tracing', 'fs/cgroup', 'class/block', 'firmware']))
