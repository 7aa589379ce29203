//! Limits that hold for everybody.

use engine::{Engine, SandboxEnd};
use types::Limits;

use crate::bed::Bed;

#[tokio::test]
async fn a_fork_bomb_stops_at_the_limit() {
    let bed = Bed::python(
        r"
import os, time
made = 0
try:
    while made < 1000:
        if os.fork() == 0:
            time.sleep(86400)
        made += 1
except BlockingIOError:
    pass
print(made, flush=True)
",
    );
    let (ended, log) = bed.run(Limits { processes: 30, ..Limits::default() }).await;
    assert_eq!(ended.end, SandboxEnd::Exited { code: 0 });
    let made: u32 = log.trim().parse().unwrap();
    assert!((20..30).contains(&made), "{made}");
}

#[tokio::test]
async fn the_helper_answers_while_a_fork_bomb_goes_off() {
    let bed = Bed::new("bomb() { bomb | bomb & }\nbomb 2> /dev/null\nwhile :; do wait; done");
    let job = bed.start(Limits { processes: 100, cpus: 0.5, ..Limits::default() }).await;
    for _ in 0..20 {
        bed.engine.stats(job).await.unwrap();
    }
    bed.engine.remove(job).await.unwrap();
}

#[tokio::test]
async fn one_file_has_a_largest_size() {
    let bed = Bed::new("head -c 100000 /dev/zero > /tmp/x; wc -c < /tmp/x");
    let (_, log) = bed.run(Limits { file_bytes: 65536, ..Limits::default() }).await;
    assert_eq!(log.lines().last(), Some("65536"));
}

#[tokio::test]
async fn open_files_are_limited_and_cores_are_not_dumped() {
    let bed = Bed::new("ulimit -Hn; ulimit -Hc");
    let (_, log) = bed.run(Limits { open_files: 100, ..Limits::default() }).await;
    assert_eq!(log, "100\n0\n");
}

#[tokio::test]
async fn what_the_kernel_keeps_for_a_user_is_limited() {
    let bed = Bed::python(
        r"
import ctypes, os, signal
libc = ctypes.CDLL(None)
def most(what):
    taken = []
    try:
        while len(taken) < 10000: taken.append(what())
    except OSError: pass
    return len(taken)
def succeeds(result):
    if result < 0: raise OSError()
    return result
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])
queue = lambda: libc.sigqueue(os.getpid(), int(signal.SIGRTMIN), ctypes.c_void_p())
print(most(lambda: succeeds(queue())))
print(most(lambda: succeeds(libc.inotify_init())))
print(most(os.openpty))
for limit in ['inotify_watches', 'user_namespaces', 'mnt_namespaces', 'net_namespaces']:
    print(open('/proc/sys/user/max_' + limit).read().strip())
",
    );
    let (_, log) = bed.run(Limits::default()).await;
    assert_eq!(log, "4096\n64\n64\n8192\n0\n0\n0\n");
}

#[tokio::test]
async fn processor_time_is_known_in_the_end() {
    let bed = Bed::new("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done");
    let (ended, _) = bed.run(Limits::default()).await;
    assert!(ended.usage.cpu_ms > Some(10), "{ended:?}");
}

#[tokio::test]
async fn only_the_last_words_are_kept() {
    let bed = Bed::new("head -c 1000000 /dev/zero | tr '\\0' x; echo end");
    let (_, log) = bed.run(Limits::default()).await;
    assert_eq!(log.len(), 16 * 1024);
    assert!(log.ends_with("xend\n"));
}
