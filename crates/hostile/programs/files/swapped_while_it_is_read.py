# tries: to have a file of the host read by whoever looks, with a directory that becomes a link
# expects: judged from outside
# layer: artifacts
# reads: swapped/canary
os.mkdir('real')
open('real/canary', 'w').write('mine')
os.rename('real', 'swapped')
os.symlink(os.path.dirname(os.environ['HOST_FILE']), 'link')
end = time.monotonic() + 4
while time.monotonic() < end:
    for _ in range(200): libc.renameat2(-100, b'swapped', -100, b'link', 2)
    time.sleep(0.0005)
refused('judged from outside')
