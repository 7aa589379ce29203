# tries: to read and write agentd's memory from its own
# expects: EPERM
# layer: seccomp
attempt_all((call, 'process_vm_readv', AGENTD, 0, 0, 0, 0, 0), (call, 'process_vm_writev', AGENTD, 0, 0, 0, 0, 0))
