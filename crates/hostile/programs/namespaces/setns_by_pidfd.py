# tries: to enter agentd's namespaces by a pidfd
# expects: EPERM
# layer: seccomp
attempt(call, 'setns', os.pidfd_open(AGENTD), NEW['mount'])
