# tries: to have namespaces allowed again
# expects: EACCES
# layer: users
attempt(rewrite, '/proc/sys/user/max_user_namespaces')
