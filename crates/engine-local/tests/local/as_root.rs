//! What only root can have: separate users, and limits by cgroups (root's on this machine).

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;

use engine::{Engine, SandboxEnd};
use engine_local::LocalEngine;
use types::Limits;

use crate::bed::{Bed, as_command, eventually, is_root};

const IDLE: &str = "exec sleep 86400";

fn needs_root() {
    assert!(is_root(), "run this as root: an ordinary user has neither uids nor cgroups to give");
}

#[tokio::test]
async fn agentd_and_commands_have_a_uid_of_their_own_each() {
    needs_root();
    let bed = Bed::new(IDLE);
    assert_eq!(bed.engine.command_user(), Some(1000));
    let job = bed.start(Limits::default()).await;
    let owner = |path: PathBuf| {
        let meta = fs::metadata(path).unwrap();
        (meta.uid(), meta.gid(), meta.mode() & 0o7777)
    };
    let agentd = agentd(&bed, job);
    let commands = agentd + 1;
    assert_eq!(owner(bed.engine.gateway_dir(job)), (agentd, agentd, 0o700));
    let workspace = bed.engine.workspace(job).await.unwrap();
    assert_eq!(owner(workspace.path()), (commands, commands, 0o700));
    assert_eq!(owner(bed.folder(job)), (0, 0, 0o700));
    bed.engine.remove(job).await.unwrap();
}

#[tokio::test]
async fn uids_are_never_shared_by_two_sandboxes_also_after_a_restart() {
    needs_root();
    let bed = Bed::new(IDLE);
    let first = bed.create(Limits::default()).await;
    let again = LocalEngine::open(bed.config.clone()).unwrap();
    let bed = Bed { engine: again, ..bed };
    let second = bed.create(Limits::default()).await;
    // One of another data directory, as other tests that run beside this one have too.
    let other = Bed::new(IDLE);
    let third = other.create(Limits::default()).await;
    let pairs = [agentd(&bed, first), agentd(&bed, second), agentd(&other, third)];
    let different: std::collections::BTreeSet<_> = pairs.into();
    assert_eq!(different.len(), 3, "{pairs:?}");
    for (bed, job) in [(&bed, first), (&bed, second), (&other, third)] {
        bed.engine.remove(job).await.unwrap();
    }
}

/// The host uid of a sandbox's agentd.
fn agentd(bed: &Bed, job: types::JobId) -> u32 {
    let uid = bed.plan(job)["users"]["separate"]["agentd"].as_u64().unwrap();
    u32::try_from(uid).unwrap()
}

#[tokio::test]
async fn agentd_keeps_three_capabilities_and_commands_none() {
    needs_root();
    let bed = Bed::new(
        "grep Cap /proc/self/status; setpriv --reuid 1000 --regid 1000 --clear-groups \
                        grep Cap /proc/self/status",
    );
    let (_, log) = bed.run(Limits::default()).await;
    let caps: Vec<_> = log.split_whitespace().filter(|word| !word.starts_with("Cap")).collect();
    // KILL, SETGID, SETUID are bits 5, 6, 7. In this order: Inh, Prm, Eff, Bnd, Amb.
    let (three, none) = ("00000000000000e0", "0000000000000000");
    assert_eq!(caps[..5], [none, three, three, three, none]);
    assert_eq!(caps[5..], [none, none, none, three, none]);
}

#[tokio::test]
async fn commands_cannot_reach_agentd_or_its_places() {
    needs_root();
    let bed = Bed::python(
        r"
import os
def refused(what):
    try: what()
    except PermissionError: return
    except OSError as e:
        assert e.errno == 30, e
        return
    raise SystemExit('allowed')
refused(lambda: os.kill(1, 9))
refused(lambda: os.listdir('/run/cagent'))
refused(lambda: open('/run/steps/x', 'w'))
refused(lambda: open('/proc/1/mem', 'rb'))
refused(lambda: os.readlink('/proc/1/exe'))
refused(lambda: open('/proc/1/environ').read())
refused(lambda: os.setuid(0))
print(os.getuid(), os.getgid(), os.getgroups())
",
    );
    let (ended, log) = bed.run(Limits::default()).await;
    assert_eq!((ended.end, log.as_str()), (SandboxEnd::Exited { code: 0 }, "1000 1000 []\n"));
}

#[tokio::test]
async fn memory_is_limited_and_the_kill_is_counted() {
    needs_root();
    let bed =
        Bed::new(&format!("{} python3 -c 'x = bytearray(1 << 30)'\necho code $?", as_command()));
    let limits = Limits { memory_bytes: 64 << 20, ..Limits::default() };
    let (ended, log) = bed.run(limits).await;
    assert!(log.contains("code 137"), "{log}");
    assert_eq!(ended.end, SandboxEnd::Exited { code: 0 }, "agentd lives");
    assert!(ended.usage.oom_kills >= Some(1), "{ended:?}");
    let peak = ended.usage.memory_peak_bytes.unwrap();
    assert!((32 << 20..=64 << 20).contains(&peak), "{peak}");
}

#[tokio::test]
async fn a_tmpfs_is_memory_of_the_job() {
    needs_root();
    let bed = Bed::new("head -c 200000000 /dev/zero > /tmp/big; wc -c < /tmp/big");
    let limits = Limits { memory_bytes: 64 << 20, ..Limits::default() };
    let (_, log) = bed.run(limits).await;
    let written: u64 = log.lines().last().unwrap().trim().parse().unwrap();
    assert!(written <= 32 << 20, "{log}");
}

#[test]
fn engines_that_open_at_once_find_all_limits() {
    needs_root();
    let bed = Bed::new(IDLE);
    let missing = || {
        let engine = LocalEngine::open(bed.config.clone()).unwrap();
        let report = tokio::runtime::Builder::new_current_thread().build().unwrap();
        report.block_on(engine.report()).unwrap().shortfalls
    };
    let many = || (0..20).flat_map(|_| missing()).collect::<Vec<_>>();
    let found = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(many)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(found.is_empty(), "{} times, first {:?}", found.len(), found.first());
}

#[tokio::test]
async fn the_processor_is_throttled_and_measured() {
    needs_root();
    let bed = Bed::new("while :; do :; done");
    let job = bed.start(Limits { cpus: 0.1, ..Limits::default() }).await;
    let plan = bed.plan(job);
    let parent = PathBuf::from(plan["place"]["parents"]["cpu"].as_str().unwrap());
    let stat = parent.join(plan["name"].as_str().unwrap()).join("cpu.stat");
    let throttled = || {
        let text = fs::read_to_string(&stat).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("nr_throttled ")).unwrap();
        line.parse::<u64>().unwrap()
    };
    eventually("throttled", || throttled() >= 5).await;
    let used = bed.engine.stats(job).await.unwrap().cpu_ms.unwrap();
    assert!(used >= 30, "five windows of 10 ms were used up, it says {used}");
    bed.engine.remove(job).await.unwrap();
}

#[tokio::test]
async fn no_cgroup_is_left() {
    needs_root();
    let bed = Bed::new("exit 0");
    let job = bed.start(Limits::default()).await;
    bed.wait(job).await;
    let cgroups = bed.cgroups(job);
    assert!(cgroups.len() >= 3, "memory, pids and cpu hold here: {cgroups:?}");
    for dir in cgroups {
        assert!(!dir.exists(), "{}", dir.display());
    }
}

#[tokio::test]
async fn what_a_job_takes_of_the_kernel_is_not_charged_to_root() {
    needs_root();
    let bed = Bed::python(
        r"
import ctypes, os, signal, time
libc = ctypes.CDLL(None)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])
while libc.sigqueue(os.getpid(), int(signal.SIGRTMIN), ctypes.c_void_p()) == 0: pass
open('/workspace/full', 'w')
time.sleep(86400)
",
    );
    let job = bed.start(Limits::default()).await;
    let workspace = bed.engine.workspace(job).await.unwrap();
    eventually("all signals are queued", || workspace.path().join("full").exists()).await;
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let queued = status.lines().find_map(|line| line.strip_prefix("SigQ:")).unwrap();
    let queued: u32 = queued.trim().split('/').next().unwrap().parse().unwrap();
    assert!(queued < 2000, "the host's root has {queued}");
    bed.engine.remove(job).await.unwrap();
}

#[tokio::test]
async fn a_workspace_has_room_for_many_files_but_not_for_any_number() {
    needs_root();
    let bed = Bed::python(
        r"
import errno, os
made = 0
try:
    while True:
        os.makedirs(f'/workspace/{made // 1000}', exist_ok=True)
        open(f'/workspace/{made // 1000}/{made}', 'w').close()
        made += 1
except OSError as e:
    print(errno.errorcode[e.errno], made)
",
    );
    for (disk_bytes, least, most) in [(16 << 20, 3900, 4200), (2 << 30, 100_000, 140_000)] {
        let (ended, log) = bed.run(Limits { disk_bytes, ..Limits::default() }).await;
        let made: u32 = log.strip_prefix("ENOSPC ").unwrap().trim().parse().unwrap();
        assert!((least..=most).contains(&made), "{made}");
        assert!(ended.disk_full, "{ended:?}");
    }
}

#[tokio::test]
async fn a_new_workspace_is_empty() {
    needs_root();
    let bed = Bed::new(&format!("{} ls -A /workspace", as_command()));
    let (_, log) = bed.run(Limits::default()).await;
    assert_eq!(log, "");
}

#[test]
fn what_the_host_has_no_room_for_is_told() {
    needs_root();
    crate::bed::needs("/usr/bin/unshare");
    let dir = tempfile::tempdir().unwrap();
    let mount = r#"mount -t tmpfs -o size=64m none "$TMPDIR" && exec "$0" "$@""#;
    let status = Command::new("/usr/bin/unshare")
        .args(["--mount", "/bin/sh", "-c", mount])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "as_root::on_a_small_host", "--ignored"])
        .env("TMPDIR", dir.path())
        .status()
        .unwrap();
    assert!(status.success(), "see above");
}

#[tokio::test]
#[ignore = "what_the_host_has_no_room_for_is_told runs it in a small file system"]
async fn on_a_small_host() {
    let write =
        |bytes| format!("{} sh -c 'head -c {bytes} /dev/zero > /workspace/x'", as_command());
    let (good, _) = Bed::new(&write(20_000_000)).run(Limits::default()).await;
    assert!(!good.disk_lost, "{good:?}");
    let (bad, _) = Bed::new(&write(200_000_000)).run(Limits::default()).await;
    assert!(bad.disk_lost, "{bad:?}");
    what_was_lost_is_told_although_there_is_room_again().await;
}

async fn what_was_lost_is_told_although_there_is_room_again() {
    let bed = Bed::new(&format!(
        "{} sh -c 'head -c 40000000 /dev/zero > /workspace/x; sync /workspace/x
         : > /workspace/done; until [ -e /workspace/go ]; do sleep 0.02; done'",
        as_command()
    ));
    let ballast = bed.config.home.with_file_name("ballast");
    fs::write(&ballast, vec![1; 40_000_000]).unwrap();
    let job = bed.start(Limits::default()).await;
    let workspace = bed.engine.workspace(job).await.unwrap();
    eventually("it has written", || workspace.path().join("done").exists()).await;
    fs::remove_file(&ballast).unwrap();
    fs::write(workspace.path().join("go"), "").unwrap();
    let ended = bed.wait(job).await;
    assert!(ended.disk_lost, "{ended:?}");
    drop(workspace);
    bed.engine.remove(job).await.unwrap();
}

#[test]
fn a_container_without_nodes_for_new_devices_will_do() {
    needs_root();
    crate::bed::needs("/usr/bin/unshare");
    let hide = r#"mkdir "$TMPDIR/dev" && mount --rbind /dev "$TMPDIR/dev" &&
        mount -t tmpfs none /dev && mkdir /dev/shm &&
        for name in null zero full random urandom tty loop-control; do
            : > /dev/$name && mount --bind "$TMPDIR/dev/$name" /dev/$name || exit
        done && exec "$0" "$@""#;
    let dir = tempfile::tempdir().unwrap();
    let status = Command::new("/usr/bin/unshare")
        .args(["--mount", "/bin/sh", "-c", hide])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "disk::a_sandbox_that_ended_can_be_read_by_another_engine"])
        .arg("life::what_is_not_enforced_is_told")
        .env("TMPDIR", dir.path())
        .status()
        .unwrap();
    assert!(status.success(), "see above");
}
