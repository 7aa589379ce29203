# tries: to have rights by a setuid copy of a shell
# expects: stays itself
# layer: mounts
import shutil
shutil.copy(os.path.realpath('/bin/sh'), '/workspace/sh')
os.chmod('/workspace/sh', 0o6755)
said = subprocess.run(['/workspace/sh', '-c', 'grep -E "^(Uid|CapEff)" /proc/self/status'], capture_output=True, text=True).stdout.split()
own = ['Uid:'] + [str(os.getuid())] * 4 + ['CapEff:', '0' * 16]
refused('stays itself') if said == own else escaped(said)
