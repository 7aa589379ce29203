# tries: to take all pseudo terminals of the machine
# expects: ENOSPC
# layer: mounts
# limits: {"open_files": 1024}
# only: local
until(64, os.openpty)
