# tries: to be allowed new privileges again
# expects: EINVAL
# layer: no-new-privileges
def prctl(*args):
    if libc.prctl(*args) == -1: raise OSError(ctypes.get_errno(), 'prctl')
attempt(prctl, 38, 0, 0, 0, 0)
