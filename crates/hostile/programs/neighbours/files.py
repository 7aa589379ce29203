# tries: to read another job's files
# expects: ENOENT
# layer: mounts
data, job = os.environ['DATA'], os.environ['VICTIM']
attempt_all(*((os.stat, path) for path in [f'{data}/sandboxes/{job}', f'{data}/docker/{job}', f'{data}/jobs/{job}', data, '/workspace/secret', '/tmp/secret', '/dev/shm/secret', '/home/agent/secret']))
