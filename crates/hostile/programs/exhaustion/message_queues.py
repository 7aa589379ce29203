# tries: to take the kernel's memory by message queues
# expects: EMFILE
# layer: rlimits
until(300, lambda numbers=iter(range(1 << 30)): call('mq_open', str(next(numbers)).encode(), os.O_CREAT | os.O_RDWR, 0o600, 0))
