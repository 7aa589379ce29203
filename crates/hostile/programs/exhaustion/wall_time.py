# tries: to go on for ever, deaf to every signal
# expects: ends limit:wall
# layer: helper
# limits: {"wall_seconds": 3}
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
if os.fork(): os.fork()
while True: time.sleep(1)
