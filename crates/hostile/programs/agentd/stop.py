# tries: to stop agentd and let it go on
# expects: EPERM
# layer: users
attempt_all(*((os.kill, AGENTD, number) for number in [19, 20, 21, 22, 18]))
