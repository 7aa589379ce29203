# tries: to start processes without end
# expects: EAGAIN
# layer: control groups
def child():
    if (pid := os.fork()) == 0: signal.pause()
    return pid
until(64, child)
