# tries: to fill the host's disk
# expects: ENOSPC
# layer: disk image
# docker: ends limit:disk
def file(numbers=iter(range(1 << 30))):
    with open(f'/workspace/{next(numbers)}', 'wb', buffering=0) as one: one.write(os.urandom(1 << 20))
until(200, file)
