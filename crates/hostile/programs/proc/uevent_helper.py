# tries: to have the kernel start its program for a new device
# expects: ENOENT | EROFS
# layer: mounts
attempt(write, '/sys/kernel/uevent_helper', '/workspace/handler')
