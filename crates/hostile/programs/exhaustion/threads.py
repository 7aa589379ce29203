# tries: to start threads without end
# expects: EAGAIN
# layer: control groups
def thread():
    try: threading.Thread(target=signal.pause, daemon=True).start()
    except RuntimeError: raise OSError(errno.EAGAIN, 'thread')
threading.stack_size(65536)
until(64, thread)
