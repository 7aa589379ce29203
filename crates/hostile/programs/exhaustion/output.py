# tries: to fill the disk by what it says
# expects: ends limit:output
# layer: orchestrator
while True: sys.stdout.write('x' * 79 + '\n')
