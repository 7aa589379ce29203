# tries: to raise its own limits
# expects: EPERM | ValueError
# layer: capabilities
import resource
def more(what):
    least = resource.getrlimit(what)[1] + 1
    try: resource.setrlimit(what, (least, least))
    except ValueError: raise OSError(errno.EPERM, what)
attempt_all(*((more, what) for what in [resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC, resource.RLIMIT_CORE, resource.RLIMIT_FSIZE]
              if resource.getrlimit(what)[1] != resource.RLIM_INFINITY))
