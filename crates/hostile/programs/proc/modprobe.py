# tries: to have the kernel start its program for an unknown kind of file
# expects: EACCES
# layer: users
attempt_all(*((rewrite, '/proc/sys/kernel/' + name) for name in ['modprobe', 'hotplug', 'poweroff_cmd'] if os.path.exists('/proc/sys/kernel/' + name)))
