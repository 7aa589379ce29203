# tries: to fill its workspace with empty files
# expects: ENOSPC
# layer: disk image
# docker: ENOSPC | ends limit:disk
def file(numbers=iter(range(1 << 30))):
    number = next(numbers)
    if number % 1000 == 0: os.makedirs(f'/workspace/{number // 1000}')
    os.close(make(f'/workspace/{number // 1000}/{number}'))
until(20000, file)
