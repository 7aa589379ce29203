# tries: to start another kernel
# expects: EPERM
# layer: seccomp
attempt_all((call, 'kexec_load', 0, 0, 0, 0), (call, 'kexec_file_load', 0, 0, 0, b'', 0))
