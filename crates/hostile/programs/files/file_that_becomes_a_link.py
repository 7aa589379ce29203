# tries: the same with the file itself
# expects: judged from outside
# layer: artifacts
# reads: canary
open('canary', 'w').write('mine')
os.symlink(os.environ['HOST_FILE'], 'link')
end = time.monotonic() + 4
while time.monotonic() < end:
    for _ in range(200): libc.renameat2(-100, b'canary', -100, b'link', 2)
    time.sleep(0.0005)
refused('judged from outside')
