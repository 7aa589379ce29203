# tries: to signal, trace and read a process of the host by its number
# expects: EPERM ESRCH | ESRCH EPERM | ENOENT EPERM ESRCH
# layer: namespaces
pid = int(os.environ['HOST_PID'])
while os.path.exists(f'/proc/{pid}'): pid += 1 << 22
attempt_all((os.kill, pid, 0), (read, f'/proc/{pid}/environ'), (call, 'ptrace', 16, pid, 0, 0), (call, 'process_vm_readv', pid, 0, 0, 0, 0, 0), (os.pidfd_open, pid))
