# tries: to change how the whole machine works
# expects: EACCES
# layer: users
attempt_all(*((rewrite, '/proc/sys/' + setting) for setting in ['kernel/panic', 'kernel/randomize_va_space',
    'kernel/yama/ptrace_scope', 'vm/overcommit_memory', 'vm/swappiness', 'fs/protected_symlinks', 'kernel/pid_max']
    if os.path.exists('/proc/sys/' + setting)))
