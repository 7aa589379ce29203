# tries: to signal every process of its user, which may be the user of others
# expects: judged from outside
# layer: users
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
for number in [signal.SIGUSR1] * 10:
    try: os.kill(-1, number)
    except OSError: pass
refused('judged from outside')
