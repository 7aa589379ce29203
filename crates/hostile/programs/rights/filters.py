# tries: to take the filter of system calls off, by one that allows all
# expects: still EPERM
# layer: seccomp
program = struct.pack('HBBI', 6, 0, 0, 0x7fff0000)
buffer = ctypes.create_string_buffer(program)
call('seccomp', 1, 0, struct.pack('HxxxxxxQ', 1, ctypes.addressof(buffer)))
try: call('unshare', NEW['user'])
except OSError as error: refused('still ' + name(error))
escaped('unshare')
