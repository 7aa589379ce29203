# tries: to copy up files of an overlay of its own (as CVE-2021-3493, CVE-2023-0386)
# expects: EPERM
# layer: seccomp
for part in ['upper', 'work', 'merged']: os.mkdir(f'/tmp/{part}')
attempt(call, 'mount', b'overlay', b'/tmp/merged', b'overlay', 0, b'lowerdir=/usr,upperdir=/tmp/upper,workdir=/tmp/work')
