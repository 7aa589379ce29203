# tries: to have a result packed that is many times as large as its disk, out of holes
# expects: judged from outside
# layer: artifacts
# limits: {"disk_bytes": 16777216}
for number in range(18): os.ftruncate(file := make(f'/workspace/{number}'), 15 << 20), os.close(file)
refused('judged from outside')
