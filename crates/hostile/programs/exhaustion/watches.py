# tries: to take all inotify watches
# expects: ENOSPC
# layer: user limits
# only: local
instance = call(294, 0)
def watch(numbers=iter(range(1 << 30))):
    place = f'/tmp/{next(numbers)}'
    os.mkdir(place)
    call(254, instance, place.encode(), 0xfff)
until(8192, watch)
