# tries: to find a call that nobody has a number for
# expects: ENOSYS
# layer: kernel
# docker: ENOSYS EPERM | ENOSYS | EPERM
attempt_all(*((call, number, 0, 0, 0, 0, 0, 0) for number in [340, 400, 480, 511, 512, 547, 548, 1000, 2**31 - 1]))
