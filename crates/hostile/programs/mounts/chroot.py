# tries: to leave its root by a directory above a chroot
# expects: EPERM
# layer: seccomp
attempt(os.chroot, '/tmp')
