# tries: to signal all it can (-1): agentd must live
# expects: ESRCH | EPERM | only its own
# layer: users
signal.signal(signal.SIGTERM, signal.SIG_IGN)
try: os.kill(-1, signal.SIGTERM)
except OSError as error: refused(name(error))
refused('only its own') if 'agentd' in open('/proc/1/comm').read() else escaped('agentd is gone')
