# tries: to reach an abstract socket of the host
# expects: ECONNREFUSED
# layer: namespaces
def reach(address):
    socket.socket(socket.AF_UNIX).connect(address)
attempt_all((reach, '\0' + os.environ['HOST_ABSTRACT']), (reach, '\0/tmp/.X11-unix/X0'), (reach, '\0/org/freedesktop/systemd1/notify'))
