# tries: to have all programs of the machine written down, and quotas
# expects: EPERM
# layer: seccomp
attempt_all((call, 'acct', b'/workspace/acct'), (call, 'quotactl', 0x800002 << 8, b'/dev/vda', 0, 0))
