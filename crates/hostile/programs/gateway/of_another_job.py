# tries: to reach another job's gateway by its place on the host
# expects: ENOENT
# layer: mounts
def reach(path): socket.socket(socket.AF_UNIX).connect(path)
data, job = os.environ['DATA'], os.environ['VICTIM']
attempt_all(*((reach, f'{data}/{home}/{job}/gateway/gateway.sock') for home in ['sandboxes', 'docker']))
