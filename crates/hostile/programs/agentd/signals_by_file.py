# tries: to signal agentd as the owner of a pipe (F_SETOWN)
# expects: nothing came
# layer: users
import fcntl
ours, theirs = os.pipe()
fcntl.fcntl(ours, fcntl.F_SETOWN, AGENTD)
fcntl.fcntl(ours, 10, 9)
fcntl.fcntl(ours, fcntl.F_SETFL, os.O_ASYNC)
for _ in range(1000): os.write(theirs, b'x')
time.sleep(0.2)
refused('nothing came') if os.path.exists('/proc/1/status') else escaped('agentd is gone')
