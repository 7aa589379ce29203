# tries: to reach daemons of the host by their sockets
# expects: ENOENT
# layer: mounts
def reach(address):
    socket.socket(socket.AF_UNIX).connect(address)
attempt_all(*((reach, path) for path in ['/run/docker.sock', '/var/run/docker.sock', '/run/systemd/private', '/run/dbus/system_bus_socket',
              '/run/containerd/containerd.sock', '/run/podman/podman.sock', '/run/udev/control', '/dev/log', '/tmp/.X11-unix/X0']))
