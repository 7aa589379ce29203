# tries: to load programs into the kernel
# expects: EPERM
# layer: seccomp
attempt_all((call, 'bpf', 0, bytes(128), 128), (call, 'bpf', 5, bytes(128), 128))
