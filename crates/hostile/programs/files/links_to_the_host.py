# tries: to have a file of the host packed by links to it
# expects: judged from outside
# layer: artifacts
theirs = os.environ['HOST_FILE']
os.symlink(theirs, 'link')
os.symlink(os.path.dirname(theirs), 'directory')
os.symlink('../' * 20 + theirs[1:], 'relative')
os.symlink('link', 'twice')
for name in ['link/', 'directory/canary']:
    try: os.link(name, 'hard')
    except OSError: pass
os.mkdir('.cagent')
os.symlink(theirs, '.cagent/manifest.json')
refused('judged from outside')
