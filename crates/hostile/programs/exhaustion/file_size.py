# tries: to make one file larger than it may be
# expects: EFBIG
# layer: rlimits
attempt_all((os.truncate, make('/workspace/a'), 1 << 40), (os.posix_fallocate, make('/workspace/b'), 0, 1 << 30), (os.pwrite, make('/workspace/c'), b'x', 1 << 34))
