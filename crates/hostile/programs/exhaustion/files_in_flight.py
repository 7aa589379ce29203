# tries: to have more files open than it may, on their way through sockets
# expects: ETOOMANYREFS | EMFILE
# layer: rlimits
import array
pairs = [socket.socketpair() for _ in range(40)]
for ours, _ in pairs: ours.setblocking(False)
def send(turns=iter(range(1 << 30))):
    ours = pairs[next(turns) % len(pairs)][0]
    ours.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [0] * 200))])
until(40, send)
