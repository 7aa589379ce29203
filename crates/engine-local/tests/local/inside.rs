//! What a job's command sees and may do; written as its attempts.

use std::fs;

use engine::{Engine, SandboxEnd};
use types::Limits;

use crate::bed::{Bed, as_command, is_root, needs};

/// Runs a Python script as the job's user that must end well and print this.
async fn prints(script: &str, expected: &str) {
    let (ended, log) = Bed::python(script).run(Limits::default()).await;
    assert_eq!(log, expected);
    assert_eq!(ended.end, SandboxEnd::Exited { code: 0 }, "{log}");
}

#[tokio::test]
async fn the_ways_into_the_kernel_are_closed() {
    if std::env::consts::ARCH != "x86_64" {
        panic!("write down this architecture's call numbers here");
    }
    let script = r"
import ctypes, os, errno, fcntl
libc = ctypes.CDLL(None, use_errno=True)
def call(name, number, *args):
    args = [ctypes.c_long(a) for a in args]
    result = libc.syscall(ctypes.c_long(number), *args)
    print(name, 'allowed' if result >= 0 else errno.errorcode[ctypes.get_errno()])
call('ptrace', 101, 0, 0, 0, 0)
call('process_vm_readv', 310, 1, 0, 0, 0, 0, 0)
call('mount', 165, 0, 0, 0, 0, 0)
call('fsopen', 430, 0, 0)
call('open_tree', 428, -100, 0, 1)
call('unshare', 272, 0x10000000)
call('setns', 308, 0, 0)
call('clone newuser', 56, 0x10000000 | 17, 0, 0, 0, 0)
call('clone newnet', 56, 0x40000000 | 17, 0, 0, 0, 0)
call('clone3', 435, 0, 0)
call('chroot', 161, 0)
call('bpf', 321, 0, 0, 0)
call('io_uring_setup', 425, 1, 0)
call('userfaultfd', 323, 0)
call('perf_event_open', 298, 0, 0, 0, 0, 0)
call('keyctl', 250, 0, 0)
call('add_key', 248, 0, 0, 0, 0, 0)
call('init_module', 175, 0, 0, 0)
call('kexec_load', 246, 0, 0, 0, 0)
call('open_by_handle_at', 304, 0, 0, 0)
call('personality ask', 135, 0xffffffff)
call('personality set', 135, 0x0040000)
call('x32 getpid', 0x40000000 | 39)
call('socketpair inet', 53, 2, 1, 0, 0)
master, slave = os.openpty()
call('TIOCSTI', 16, slave, 0x5412, 0)
call('TIOCSTI with high bits', 16, slave, 0x100005412, 0)
call('TIOCLINUX', 16, slave, 0x541c, 0)
call('TIOCSETD', 16, slave, 0x5423, 0)
call('io_setup', 206, 1, 0)
call('huge mmap', 9, 0, 1 << 21, 3, 0x40022, -1, 0)
call('huge shmget', 29, 0, 1 << 21, 0o4600)
call('huge memfd_create', 319, 0, 4)
";
    let expected = "\
ptrace EPERM
process_vm_readv EPERM
mount EPERM
fsopen EPERM
open_tree EPERM
unshare EPERM
setns EPERM
clone newuser EPERM
clone newnet EPERM
clone3 ENOSYS
chroot EPERM
bpf EPERM
io_uring_setup EPERM
userfaultfd EPERM
perf_event_open EPERM
keyctl EPERM
add_key EPERM
init_module EPERM
kexec_load EPERM
open_by_handle_at EPERM
personality ask allowed
personality set EPERM
x32 getpid ENOSYS
socketpair inet EPERM
TIOCSTI EPERM
TIOCSTI with high bits EPERM
TIOCLINUX EPERM
TIOCSETD EPERM
io_setup EPERM
huge mmap EPERM
huge shmget EPERM
huge memfd_create EPERM
";
    prints(script, expected).await;
}

#[tokio::test]
async fn no_dump_of_a_crash_reaches_anybody() {
    // 1 keeps it from a program of the host too, unlike 0.
    let script = r"
import ctypes, resource
print(resource.getrlimit(resource.RLIMIT_CORE))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
print(ctypes.CDLL(None).syscall(160, 4, (ctypes.c_ulong * 2)()))
print(resource.getrlimit(resource.RLIMIT_CORE))
";
    prints(script, "(1, 1)\n0\n(1, 1)\n").await;
}

#[tokio::test]
async fn there_is_no_network_but_loopback() {
    let script = r"
import socket
def attempt(name, *args):
    try: socket.socket(*args).close(); print(name, 'allowed')
    except OSError as e: print(name, e.strerror)
attempt('route', 16, 3, 0)
attempt('sock_diag', 16, 3, 4)
attempt('audit', 16, 3, 9)
attempt('uevent', 16, 3, 15)
attempt('generic', 16, 3, 16)
attempt('packet', 17, 3, 0)
attempt('alg', 38, 5, 0)
attempt('vsock', 40, 1, 0)
attempt('raw', 2, 3, 1)
attempt('unix', 1, 1, 0)
print([name for _, name in socket.if_nameindex()])
server = socket.create_server(('127.0.0.1', 0))
socket.create_connection(server.getsockname())
try: socket.create_connection(('192.0.2.1', 80), 5)
except OSError as e: print(e.strerror)
try: socket.gethostbyname('example.org')
except OSError as e: print('no name')
print(socket.gethostbyname('localhost'), socket.gethostname())
";
    let expected = "\
route allowed
sock_diag Operation not permitted
audit Operation not permitted
uevent Operation not permitted
generic Operation not permitted
packet Operation not permitted
alg Operation not permitted
vsock Operation not permitted
raw Operation not permitted
unix allowed
['lo']
Network is unreachable
no name
127.0.0.1 sandbox
";
    prints(script, expected).await;
}

#[tokio::test]
async fn the_host_is_out_of_sight() {
    let script = r"
import os
print(sorted(os.listdir('/')))
print(os.listdir('/home'), os.listdir('/opt'), sorted(os.listdir('/run')))
secrets = ['/root', '/etc/shadow', '/etc/ssh/sshd_config', '/etc/ssl/private', '/var', '/sys', '/boot', '/mnt']
print([path for path in secrets if os.path.exists(path)])
print(len([pid for pid in os.listdir('/proc') if pid.isdigit()]) <= 3)
print(sorted(int(fd) for fd in os.listdir('/proc/self/fd'))[:3], len(os.listdir('/proc/self/fd')))
print(sorted(os.environ.items()))
print(sorted(os.listdir('/dev')))
print(os.path.getsize('/proc/keys') if os.path.exists('/proc/keys') else 0)
try: print(open('/proc/cmdline').read())
except PermissionError: print('no command line')
";
    let expected = "\
['bin', 'dev', 'etc', 'home', 'lib', 'lib64', 'opt', 'proc', 'run', 'sbin', 'tmp', 'usr', 'workspace']
['agent'] ['cagent'] ['cagent', 'steps']
[]
True
[0, 1, 2] 4
[('HOME', '/home/agent'), ('LANG', 'C.UTF-8'), ('PATH', '/opt/cagent/bin:/usr/local/bin:/usr/bin:/bin'), ('PWD', '/'), ('TERM', 'dumb')]
['fd', 'full', 'null', 'ptmx', 'pts', 'random', 'shm', 'stderr', 'stdin', 'stdout', 'tty', 'urandom', 'zero']
0
no command line
";
    prints(script, expected).await;
}

#[tokio::test]
async fn only_its_own_places_can_be_written() {
    let script = r"
import os
for place in ['/', '/usr', '/etc', '/dev', '/home', '/opt/cagent', '/run', '/run/cagent', '/proc/sys',
              '/workspace', '/tmp', '/home/agent', '/dev/shm']:
    try: open(place + '/x', 'w').write('x'); print(place, 'written')
    except OSError as e: print(place, 'refused')
for setting in ['kernel/core_pattern', 'kernel/hostname', 'vm/overcommit_memory', 'net/ipv4/ip_forward']:
    try: open('/proc/sys/' + setting, 'w').write('1'); print(setting, 'written')
    except OSError: pass
";
    // The agent and the commands of an ordinary user are one user.
    let run = if is_root() { "refused" } else { "written" };
    let expected = format!(
        "/ refused\n/usr refused\n/etc refused\n/dev refused\n/home refused\n/opt/cagent refused\n\
         /run {run}\n/run/cagent refused\n/proc/sys refused\n/workspace written\n/tmp written\n\
         /home/agent written\n/dev/shm written\n"
    );
    prints(script, &expected).await;
}

#[tokio::test]
async fn no_mount_gives_rights() {
    let script = r"
for line in open('/proc/self/mountinfo'):
    fields = line.split()
    place, flags = fields[4], fields[5].split(',')
    if 'nosuid' not in flags: print(place, 'suid')
    if 'nodev' not in flags and not place.startswith('/dev/'): print(place, 'dev')
    if 'rw' in flags: print(place, 'rw')
    if 'shared:' in line or 'master:' in line: print(place, 'propagates')
";
    let (_, log) = Bed::python(script).run(Limits::default()).await;
    let mut lines: Vec<_> = log.lines().collect();
    lines.sort_unstable();
    let writable = [
        "/dev/full",
        "/dev/null",
        "/dev/pts",
        "/dev/random",
        "/dev/shm",
        "/dev/tty",
        "/dev/urandom",
        "/dev/zero",
        "/home/agent",
        "/proc",
        "/run",
        "/tmp",
        "/workspace",
    ];
    assert_eq!(lines, writable.map(|place| format!("{place} rw")));
}

#[tokio::test]
async fn nobody_inside_gets_or_keeps_rights() {
    let script = r"
status = dict(line.split(':', 1) for line in open('/proc/self/status'))
print({name: status[name].strip() for name in ['CapEff', 'CapPrm', 'CapAmb', 'NoNewPrivs', 'Seccomp']})
";
    let none = "0000000000000000";
    let expected = format!(
        "{{'CapEff': '{none}', 'CapPrm': '{none}', 'CapAmb': '{none}', 'NoNewPrivs': '1', \
         'Seccomp': '2'}}\n"
    );
    prints(script, &expected).await;
}

#[tokio::test]
async fn no_command_can_slow_or_limit_agentd() {
    if std::env::consts::ARCH != "x86_64" {
        panic!("write down this architecture's call numbers here");
    }
    let script = r"
import ctypes, os, resource
libc = ctypes.CDLL(None, use_errno=True)
def look():
    return (open('/proc/1/limits').read(), os.sched_getaffinity(1), os.sched_getscheduler(1),
            os.getpriority(os.PRIO_PROCESS, 1), libc.syscall(252, 1, 1))
def attempt(name, number, *args):
    result = libc.syscall(ctypes.c_long(number), *args)
    print(name, 'allowed' if result >= 0 else os.strerror(ctypes.get_errno()))
none = (ctypes.c_ulong * 2)(0, 0)
zero = ctypes.c_int(0)
idle = (ctypes.c_uint32 * 12)(48, 5)
one = (ctypes.c_ulong * 1)(1)
before = look()
attempt('prlimit', 302, 1, 7, none, None)
attempt('sched_setscheduler', 144, 1, 5, ctypes.byref(zero))
attempt('sched_setparam', 142, 1, ctypes.byref(zero))
attempt('sched_setattr', 314, 1, idle, 0)
attempt('sched_setaffinity', 203, 1, 8, one)
attempt('setpriority', 141, 0, 1, 5)
attempt('setpriority group', 141, 1, 1, 5)
attempt('setpriority user', 141, 2, 0, 5)
attempt('ioprio_set', 251, 1, 1, 3 << 13)
attempt('ioprio_set group', 251, 2, 1, 3 << 13)
attempt('ioprio_set user', 251, 3, 0, 3 << 13)
print('unchanged' if look() == before else 'CHANGED')
resource.setrlimit(resource.RLIMIT_NOFILE, (50, 50))
attempt('own affinity', 203, 0, 8, one)
attempt('own scheduler', 144, 0, 3, ctypes.byref(zero))
attempt('own priority', 141, 0, os.getpid(), 5)
attempt('own ioprio', 251, 1, 0, 3 << 13)
";
    let expected = "\
prlimit Operation not permitted
sched_setscheduler Operation not permitted
sched_setparam Operation not permitted
sched_setattr Operation not permitted
sched_setaffinity Operation not permitted
setpriority Operation not permitted
setpriority group Operation not permitted
setpriority user Operation not permitted
ioprio_set Operation not permitted
ioprio_set group Operation not permitted
ioprio_set user Operation not permitted
unchanged
own affinity allowed
own scheduler allowed
own priority allowed
own ioprio allowed
";
    prints(script, expected).await;
}

#[tokio::test]
async fn what_a_job_writes_is_in_its_workspace() {
    let bed = Bed::new(&format!("{} sh -c 'echo hello > /workspace/file'", as_command()));
    let job = bed.start(Limits::default()).await;
    bed.wait(job).await;
    let workspace = bed.engine.workspace(job).await.unwrap();
    assert_eq!(fs::read_to_string(workspace.path().join("file")).unwrap(), "hello\n");
    bed.engine.remove(job).await.unwrap();
}

#[tokio::test]
async fn what_is_exposed_is_there_and_read_only() {
    let dir = tempfile::tempdir().unwrap();
    let bin = dir.path().join("bin");
    fs::create_dir(&bin).unwrap();
    crate::bed::executable(&bin.join("greet"), "#!/bin/sh\necho hello from outside\n");
    let shown = dir.path().to_owned();
    let script = format!("{} greet; touch {}/x || echo refused", as_command(), shown.display());
    let bed = Bed::with(&script, |config| config.expose = vec![shown]);
    let (_, log) = bed.run(Limits::default()).await;
    assert!(log.starts_with("hello from outside\n") && log.ends_with("refused\n"), "{log}");
}

#[tokio::test]
async fn node_finds_its_interfaces() {
    needs("/usr/bin/node");
    let script = "node -e 'console.log(Object.keys(require(\"os\").networkInterfaces()))'";
    let bed = Bed::new(&format!("{} {script}", as_command()));
    let (_, log) = bed.run(Limits::default()).await;
    assert_eq!(log, "[ 'lo' ]\n");
}

#[tokio::test]
async fn users_have_names_and_pseudo_terminals_work() {
    let script = r"
import os, pwd, pty
print(pwd.getpwuid(os.getuid()).pw_name, os.path.expanduser('~'), flush=True)
pty.spawn(['/bin/echo', 'on a terminal'])
";
    prints(script, "agent /home/agent\non a terminal\r\n").await;
}

#[tokio::test]
async fn the_hosts_certificates_are_trusted() {
    let script = r"
text = open('/etc/ssl/cagent.pem').read()
print(len(text.encode()), text.count('BEGIN CERTIFICATE'))
print(open('/etc/ssh/ssh_config').read().split()[3:5])
";
    let bed = Bed::python(script);
    let job = bed.create(Limits::default()).await;
    let bundle = bed.plan(job)["ca_bundle"].as_str().map(str::to_owned);
    let text = fs::read_to_string(bundle.expect("install ca-certificates")).unwrap();
    let (bytes, count) = (text.len(), text.matches("BEGIN CERTIFICATE").count());
    let (ended, log) = bed.run(Limits::default()).await;
    assert_eq!(log, format!("{bytes} {count}\n['/opt/cagent/bin/agentd', 'connect']\n"));
    assert_eq!(ended.end, SandboxEnd::Exited { code: 0 });
}
