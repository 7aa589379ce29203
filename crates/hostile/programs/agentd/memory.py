# tries: to read agentd's memory, variables and open files
# expects: EACCES
# layer: users
attempt_all(*((read, f'/proc/1/{name}') for name in ['mem', 'environ', 'maps', 'auxv', 'stack', 'syscall', 'personality']),
            *((os.readlink, f'/proc/1/{name}') for name in ['exe', 'root', 'cwd']), (os.listdir, '/proc/1/fd'),
            (os.listdir, '/proc/1/map_files'))
