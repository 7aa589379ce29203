# tries: to end agentd
# expects: EPERM
# layer: users
attempt_all(*((os.kill, AGENTD, number) for number in [9, 15, 1, 2, 3, 4, 6, 7, 8, 11, 31]))
