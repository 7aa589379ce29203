# tries: to become root by a setuid program of the host
# expects: stays itself
# layer: no-new-privileges
import glob, stat
found = [path for path in glob.glob('/usr/bin/*') if os.stat(path).st_mode & stat.S_ISUID] if not os.path.islink('/bin/su') else []
found = found or ['/bin/su']
import pty
uids = set()
for path in found:
    child, terminal = pty.fork()
    if child == 0: os.execv(path, [path])
    for _ in range(200):
        try: status = open(f'/proc/{child}/status').read()
        except OSError: break
        uids.update(line for line in status.splitlines() if line.startswith('Uid:'))
        if 'State:\tZ' in status: break
        time.sleep(0.002)
    os.kill(child, 9)
    os.close(terminal)
    os.waitpid(child, 0)
own = 'Uid:' + f'\t{os.getuid()}' * 4
refused('stays itself') if uids == {own} else escaped((found, uids))
