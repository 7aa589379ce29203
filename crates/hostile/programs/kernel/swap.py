# tries: to swap to a file of its own
# expects: EPERM
# layer: seccomp
attempt_all((call, 'swapon', b'/workspace/swap', 0), (call, 'swapoff', b'/workspace/swap'))
