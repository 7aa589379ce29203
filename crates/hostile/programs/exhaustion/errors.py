# tries: the same with errors that move the cursor about
# expects: ends limit:output
# layer: orchestrator
while True: sys.stderr.write('\x1b[2J\x1b[H\x1b]0;planted\x07\x1b[?1049h' * 1000)
