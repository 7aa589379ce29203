# tries: to take all signals that may wait
# expects: EAGAIN
# layer: rlimits
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])
def queue():
    if libc.sigqueue(os.getpid(), int(signal.SIGRTMIN), ctypes.c_void_p()): raise OSError(ctypes.get_errno(), 'sigqueue')
until(4096, queue)
