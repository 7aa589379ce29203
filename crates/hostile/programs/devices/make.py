# tries: to make devices of its own
# expects: EPERM
# layer: capabilities
import stat
attempt_all(*((os.mknod, f'/{place}/device', kind | 0o666, os.makedev(*number)) for place in ['workspace', 'tmp', 'dev/shm']
              for kind, number in [(stat.S_IFCHR, (1, 1)), (stat.S_IFBLK, (8, 0)), (stat.S_IFBLK, (254, 0)), (stat.S_IFCHR, (10, 232))]))
