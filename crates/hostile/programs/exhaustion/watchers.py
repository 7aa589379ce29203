# tries: to take all inotify instances
# expects: EMFILE
# layer: user limits
# limits: {"open_files": 1024}
# only: local
until(64, lambda: call(294, 0))
