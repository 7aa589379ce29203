# tries: to use a file that was left open for it
# expects: none
# layer: close-on-exec
found = {}
for number in os.listdir('/proc/self/fd'):
    try: found[int(number)] = os.readlink(f'/proc/self/fd/{number}')
    except OSError: pass
others = {number: path for number, path in found.items() if number > 2 and not path.startswith('/proc/') and '/run/steps' not in path}
escaped(others) if others else refused('none')
