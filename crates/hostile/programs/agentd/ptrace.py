# tries: to trace agentd
# expects: EPERM
# layer: seccomp
attempt_all((call, 'ptrace', 16, AGENTD, 0, 0), (call, 'ptrace', 0x4206, AGENTD, 0, 0))
