# tries: to use more processor than it may
# expects: throttled
# layer: control groups
# limits: {"cpus": 0.5}
begun = time.monotonic()
children = []
for _ in range(4):
    if (child := os.fork()) == 0:
        while time.monotonic() < begun + 3: sum(range(10000))
        os._exit(0)
    children.append(child)
for child in children: os.waitpid(child, 0)
used, wall = os.times(), time.monotonic() - begun
share = (used.user + used.system + used.children_user + used.children_system) / wall
refused('throttled') if share < 0.65 else escaped(share)
