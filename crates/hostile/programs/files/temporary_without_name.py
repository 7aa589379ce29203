# tries: to give a file of the host a name in its workspace by its descriptor
# expects: EXDEV | EPERM | ENOENT
# layer: mounts
import ctypes
theirs = os.open('/usr/bin/env', os.O_RDONLY)
def link():
    if libc.linkat(-100, f'/proc/self/fd/{theirs}'.encode(), -100, b'/workspace/link', 0x400): raise OSError(ctypes.get_errno(), 'linkat')
attempt(link)
