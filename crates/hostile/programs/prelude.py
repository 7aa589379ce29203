"""What every hostile program begins with. It ends by saying one line: what refused it, or that nothing did."""
import ctypes, errno, os, signal, socket, struct, subprocess, sys, threading, time

if os.uname().machine != 'x86_64':
    raise SystemExit("write down this architecture's call numbers here")

CALLS = {
    'acct': 163, 'add_key': 248, 'adjtimex': 159, 'bpf': 321, 'capset': 126, 'chroot': 161, 'clock_settime': 227, 'clone': 56,
    'clone3': 435, 'delete_module': 176, 'fanotify_init': 300, 'finit_module': 313, 'fsconfig': 431, 'fsmount': 432,
    'fsopen': 430, 'fspick': 433, 'init_module': 175, 'io_setup': 206, 'io_uring_enter': 426, 'io_uring_register': 427,
    'io_uring_setup': 425, 'ioctl': 16, 'ioperm': 173, 'iopl': 172, 'ioprio_set': 251, 'kcmp': 312, 'kexec_file_load': 320,
    'kexec_load': 246, 'keyctl': 250, 'memfd_create': 319, 'migrate_pages': 256, 'mknodat': 259, 'modify_ldt': 154,
    'mount': 165, 'mount_setattr': 442, 'move_mount': 429, 'move_pages': 279, 'mq_open': 240, 'name_to_handle_at': 303,
    'open_by_handle_at': 304, 'open_tree': 428, 'open_tree_attr': 467, 'perf_event_open': 298, 'personality': 135,
    'pidfd_getfd': 438, 'pidfd_open': 434, 'pidfd_send_signal': 424, 'pivot_root': 155, 'prlimit64': 302,
    'process_madvise': 440, 'process_vm_readv': 310, 'process_vm_writev': 311, 'ptrace': 101, 'quotactl': 179, 'reboot': 169,
    'request_key': 249, 'rt_sigqueueinfo': 129, 'sched_setattr': 314, 'seccomp': 317, 'sethostname': 170, 'setns': 308,
    'settimeofday': 164, 'swapoff': 168, 'swapon': 167, 'syslog': 103, 'tgkill': 234, 'timer_create': 222, 'umount2': 166,
    'unshare': 272, 'userfaultfd': 323, 'vhangup': 153,
}
NEW = {'user': 0x10000000, 'mount': 0x20000, 'pid': 0x20000000, 'net': 0x40000000, 'ipc': 0x08000000, 'uts': 0x04000000,
       'cgroup': 0x02000000, 'time': 0x80}
AGENTD = 1

libc = ctypes.CDLL(None, use_errno=True)


def refused(by):
    """Says what refused it."""
    print('refused:', by, flush=True)
    os._exit(0)


def escaped(what):
    """Says that nothing did."""
    print('escaped:', what, flush=True)
    os._exit(0)


def name(error):
    return errno.errorcode[error.errno]


def attempt(what, *args):
    """Does one thing."""
    try:
        got = what(*args)
    except OSError as error:
        refused(name(error))
    escaped(repr(got))


def attempt_all(*attempts):
    """Does several things; each must be refused."""
    names = set()
    for number, (what, *args) in enumerate(attempts):
        try:
            got = what(*args)
        except OSError as error:
            names.add(name(error))
        else:
            escaped(f'attempt {number}: {got!r}')
    refused(' '.join(sorted(names)))


def call(what, *args):
    """A system call, by name or number."""
    number = CALLS[what] if isinstance(what, str) else what
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *(ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in args))
    if result == -1:
        raise OSError(ctypes.get_errno(), what)
    return result


def clone(flags):
    """A child in new namespaces."""
    if (child := call('clone', flags | signal.SIGCHLD, 0, 0, 0, 0)) == 0:
        os._exit(0)
    return child


def write(path, text='1'):
    """Without making anything: what is not there is not there."""
    file = os.open(path, os.O_WRONLY)
    return os.write(file, text.encode())


def rewrite(path):
    """Writes what is there already: a machine that lets it be written shall not suffer for it."""
    return write(path, read(path).decode())


def make(path):
    return os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)


def read(path, count=4096):
    return os.read(os.open(path, os.O_RDONLY), count)


def connect(host, port, kind=socket.SOCK_STREAM, family=socket.AF_INET):
    made = socket.socket(family, kind)
    made.settimeout(20)
    made.connect((host, port))
    return made


def until(count, what, *args):
    """Takes as much as there is; ends as refused if that is at most so much."""
    taken = []
    try:
        while len(taken) <= count:
            taken.append(what(*args))
    except OSError as error:
        refused(name(error))
    escaped(f'took more than {count}')


def ask(text, port=3128):
    """What the sandbox's proxy answers to these bytes: the status; or how it hung up."""
    try:
        with connect('127.0.0.1', port) as stream:
            stream.sendall(text if isinstance(text, bytes) else text.encode())
            answer = stream.recv(65536)
    except (ConnectionResetError, BrokenPipeError):
        return 'reset'
    return answer.split()[1].decode() if answer.startswith(b'HTTP/') else answer.hex() or 'closed'


def tunnel(*to):
    """Asks for tunnels to each of these; every one must be refused."""
    says = {ask(f'CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n') for host in to}
    if '200' in says:
        escaped(f'one of {to} was reached')
    refused(' '.join(sorted(says)))
