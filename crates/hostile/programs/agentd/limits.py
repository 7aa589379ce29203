# tries: to lower agentd's limits
# expects: EPERM
# layer: seccomp
attempt_all(*((call, 'prlimit64', AGENTD, resource, bytes(16), 0) for resource in range(16)))
