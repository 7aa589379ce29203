# tries: to say a line of a gigabyte
# expects: ends limit:output
# layer: orchestrator
while True: sys.stdout.write('x' * 65536)
