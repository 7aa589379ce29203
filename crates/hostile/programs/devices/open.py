# tries: to open the host's devices
# expects: ENOENT
# layer: mounts
names = ['mem', 'kmsg', 'kvm', 'fuse', 'loop-control', 'loop0', 'sda', 'vda', 'nvme0', 'net/tun', 'userfaultfd', 'snapshot', 'vhost-net',
         'vsock', 'input/event0', 'dri/card0', 'fb0', 'ppp', 'uinput', 'btrfs-control', 'mapper/control', 'cpu/0/msr', 'port', 'console', 'tty0']
attempt_all(*((os.open, '/dev/' + name, os.O_RDONLY) for name in names))
