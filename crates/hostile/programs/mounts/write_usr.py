# tries: to change programs of the host
# expects: EROFS
# layer: mounts
attempt_all((make, '/usr/bin/planted'), (os.rename, '/usr/bin/env', '/usr/bin/vne'), (os.unlink, '/usr/bin/env'),
            (os.chmod, '/usr/bin/env', 0o777), (os.mkdir, '/usr/planted'))
