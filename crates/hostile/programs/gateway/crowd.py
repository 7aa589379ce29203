# tries: to keep all others out of the proxy with 3,000 connections
# expects: 503, then 403 | reset, then 403 | 403, then 403
# layer: agentd
# network: open
# limits: {"open_files": 4096}
held = []
try:
    while len(held) < 3000: held.append(connect('127.0.0.1', 3128))
except OSError: pass
full = ask(f'CONNECT {os.environ["API"]} HTTP/1.1\r\nHost: x\r\n\r\n')
for one in held: one.close()
end = time.monotonic() + 20
while (after := ask(f'CONNECT {os.environ["API"]} HTTP/1.1\r\nHost: x\r\n\r\n')) != '403' and time.monotonic() < end: time.sleep(0.01)
refused(f'{full}, then {after}') if len(held) > 300 else escaped(len(held))
