# tries: to raise an ambient capability, and to keep capabilities
# expects: EPERM
# layer: capabilities
def prctl(*args):
    if libc.prctl(*args) == -1: raise OSError(ctypes.get_errno(), 'prctl')
attempt_all((prctl, 47, 2, 7, 0, 0), (prctl, 28, 1, 0, 0, 0))
