# tries: to have whoever removes or packs its files run out of room for the path
# expects: judged from outside
# layer: artifacts
made = 0
try:
    while made < 2000:
        os.mkdir('d' * 200)
        os.chdir('d' * 200)
        made += 1
except OSError: pass
open('deepest', 'w').write('x')
os.chdir('/')
refused('judged from outside')
