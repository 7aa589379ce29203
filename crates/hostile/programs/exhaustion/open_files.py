# tries: to open files without end
# expects: EMFILE
# layer: rlimits
until(256, os.open, '/dev/null', os.O_RDONLY)
