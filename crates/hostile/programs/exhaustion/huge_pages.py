# tries: to take the host's huge pages, which no limit of memory counts
# expects: ENOMEM
# layer: none of its own: the host has none
import mmap
def huge():
    with mmap.mmap(-1, 2 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000) as page: page[0] = 1
attempt(huge)
