# tries: to find another job's System V memory and queues
# expects: ENOENT
# layer: namespaces
attempt_all((call, 29, 0x5ec2e7, 0, 0), (call, 68, 0x5ec2e7, 0), (call, 64, 0x5ec2e7, 0, 0))
