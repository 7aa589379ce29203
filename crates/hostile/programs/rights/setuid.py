# tries: to become root, agentd or somebody else
# expects: EINVAL EPERM | EPERM
# layer: capabilities
attempt_all((os.setuid, 0), (os.setgid, 0), (os.setresuid, -1, 0, 0), (os.setuid, 1), (os.setgroups, [0]), (os.setreuid, 0, -1))
