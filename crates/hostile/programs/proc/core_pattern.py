# tries: to have the kernel start its program when one crashes
# expects: EACCES
# layer: users
attempt(rewrite, '/proc/sys/kernel/core_pattern')
