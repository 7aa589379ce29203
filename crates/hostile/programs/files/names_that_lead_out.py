# tries: to write outside of where its result is unpacked
# expects: judged from outside
# layer: artifacts
for name in ['..\\..\\planted', 'C:\\planted', 'a\nb', '\x1b[2Jx', '\u202egnp.exe', '...', '.. ', 'NUL', 'x' * 255]: open(name, 'w').write('x')
open(b'\xff\xfe/'.strip(b'/'), 'w').write('x')
refused('judged from outside')
