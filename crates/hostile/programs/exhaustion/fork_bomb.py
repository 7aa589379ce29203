# tries: to start processes that start processes
# expects: lives on
# layer: control groups
if os.fork() == 0:
    os.setsid()
    end = time.monotonic() + 3
    while time.monotonic() < end:
        try: os.fork()
        except OSError: pass
    signal.pause()
time.sleep(4)
refused('lives on')
