# tries: to have segments of its own (modify_ldt)
# expects: EPERM
# layer: seccomp
# docker: EPERM | answered
attempt_all((call, 'modify_ldt', 1, struct.pack('4I', 0, 0, 0xfffff, 0x51), 16))
