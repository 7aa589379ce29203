# tries: to see a process that is not of this sandbox
# expects: only its own
# layer: namespaces
theirs = [pid for pid in os.listdir('/proc') if pid.isdigit() and os.stat('/proc/' + pid).st_uid not in (os.getuid(), 0)]
seen = [pid for pid in os.listdir('/proc') if pid.isdigit()]
others = [pid for pid in seen if 'agentd' not in open(f'/proc/{pid}/comm').read() and int(pid) != os.getpid()
          and open(f'/proc/{pid}/comm').read().strip() not in ('python3', 'tini')]
escaped((theirs, others)) if others or len(seen) > 8 else refused('only its own')
