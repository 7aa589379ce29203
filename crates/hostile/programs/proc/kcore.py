# tries: to read the kernel's memory
# expects: EACCES | ENOENT
# layer: mounts
attempt(read, '/proc/kcore')
