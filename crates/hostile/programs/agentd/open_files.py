# tries: to get agentd's open files, the gateway among them
# expects: EPERM
# layer: seccomp
attempt_all(*((call, 'pidfd_getfd', os.pidfd_open(AGENTD), file, 0) for file in range(3, 40)), (call, 'kcmp', AGENTD, os.getpid(), 0, 3, 3))
