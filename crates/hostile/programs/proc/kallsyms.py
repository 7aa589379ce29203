# tries: to learn where the kernel lies in memory
# expects: only zeros
# layer: capabilities
lines = open('/proc/kallsyms').readlines()[:1000] if os.path.exists('/proc/kallsyms') else []
found = {line.split()[0].strip('0') for line in lines}
escaped(found) if found - {''} else refused('only zeros')
