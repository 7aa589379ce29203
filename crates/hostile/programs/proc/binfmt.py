# tries: to register an interpreter for the whole machine
# expects: ENOENT | EROFS
# layer: mounts
attempt(write, '/proc/sys/fs/binfmt_misc/register', ':planted:M::planted::/workspace/handler:')
