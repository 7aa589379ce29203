//! Each limit, broken over and over by one sandbox while another one works beside it and does not
//! notice.

use std::time::Instant;

use engine::{Ended, Engine, SandboxEnd};
use types::Limits;

use crate::bed::{Bed, eventually};

/// Honest work that needs a little of everything. Prints how long a round of it takes, in
/// milliseconds.
const WORK: &str = r"
import subprocess, time
took = []
for n in range(30):
    begun = time.monotonic()
    subprocess.run(['/bin/true'], check=True)
    block = bytearray(8 << 20)
    with open(f'/workspace/{n}', 'wb') as file: file.write(block[:1 << 20])
    files = [open('/dev/null') for _ in range(50)]
    for file in files: file.close()
    sum(range(50000))
    took.append((time.monotonic() - begun) * 1000)
print(sorted(took)[15])
";

/// What the others begin with; they say `broken()` whenever they met their limit.
const BEGIN: &str = r"
import errno, os, time
open('/workspace/flag', 'w').close()
def broken():
    try: os.rename('/workspace/flag', '/workspace/broken')
    except FileNotFoundError: pass
";

const FORKS: &str = r"
while True:
    try:
        if os.fork() == 0: time.sleep(86400)
    except BlockingIOError:
        broken()
";

const OPEN_FILES: &str = r"
while True:
    files = []
    try:
        while True: files.append(open('/dev/null'))
    except OSError as e:
        if e.errno == errno.EMFILE: broken()
";

const SPIN: &str = r"
for _ in range(3): os.fork()
broken()
while True: pass
";

/// Runs this until a neighbour's work is done; how it ended, and how many milliseconds after it was
/// started.
async fn breaks(script: &str, limits: Limits) -> (Ended, u64) {
    let (breaker, neighbour) = (Bed::python(&format!("{BEGIN}{script}")), Bed::python(WORK));
    let alone = round_of(&neighbour).await;
    let begun = Instant::now();
    let job = breaker.start(limits).await;
    let workspace = breaker.engine.workspace(job).await.unwrap();
    eventually("it meets its limit", || workspace.path().join("broken").exists()).await;
    let beside = round_of(&neighbour).await;
    // Other tests have the same processors, so that a little more is no sign.
    assert!(beside < 5.0 * alone + 50.0, "{beside} ms and not {alone} ms as alone");
    breaker.engine.stop(job).await.unwrap();
    let ended = breaker.wait(job).await;
    let wall = u64::try_from(begun.elapsed().as_millis()).unwrap();
    drop(workspace);
    breaker.engine.remove(job).await.unwrap();
    (ended, wall)
}

/// How long a round of the neighbour's work takes, all of which must succeed.
async fn round_of(neighbour: &Bed) -> f64 {
    let (ended, said) = neighbour.run(Limits { processes: 30, ..Limits::default() }).await;
    assert_eq!((ended.end, ended.disk_full), (SandboxEnd::Exited { code: 0 }, false), "{said}");
    said.trim().parse().unwrap()
}

#[tokio::test]
async fn processes() {
    let (ended, _) = breaks(FORKS, Limits { processes: 30, cpus: 0.3, ..Limits::default() }).await;
    assert_eq!(ended.end, SandboxEnd::Stopped);
}

#[tokio::test]
async fn open_files() {
    let limits = Limits { open_files: 100, cpus: 0.3, ..Limits::default() };
    assert_eq!(breaks(OPEN_FILES, limits).await.0.end, SandboxEnd::Stopped);
}

#[tokio::test]
async fn what_spins_ends_in_time() {
    let limits = Limits { wall_seconds: 1, cpus: 0.3, ..Limits::default() };
    let bed = Bed::python(&format!("{BEGIN}{SPIN}"));
    assert_eq!(bed.run(limits).await.0.end, SandboxEnd::WallTime);
}

/// What only root can limit here.
mod as_root {
    use super::*;

    const MEMORY: &str = r"
while True:
    if os.fork() == 0: bytearray(1 << 30)
    if os.wait()[1] == 9: broken()
";

    const DISK: &str = r"
while True:
    with open('/workspace/big', 'wb', buffering=0) as big:
        try:
            while True: big.write(b'x' * 100000)
        except OSError as e:
            if e.errno == errno.ENOSPC: broken()
";

    const FILES: &str = r"
names = iter(range(1 << 60))
while True:
    made = []
    try:
        while True:
            made.append(f'/workspace/{next(names)}')
            open(made[-1], 'w').close()
    except OSError as e:
        if e.errno == errno.ENOSPC: broken()
    for name in made[:-1]: os.remove(name)
";

    #[tokio::test]
    async fn processor() {
        let (ended, wall) = breaks(SPIN, Limits { cpus: 0.1, ..Limits::default() }).await;
        let used = ended.usage.cpu_ms.unwrap();
        // What is left of a window's share on one processor may be used in the next one.
        assert!(used <= wall / 10 + wall / 20 + 100, "{used} ms of {wall} ms");
        assert!(ended.usage.cpu_throttled_ms > Some(0), "{ended:?}");
    }

    #[tokio::test]
    async fn memory() {
        let limits = Limits { memory_bytes: 64 << 20, cpus: 0.3, ..Limits::default() };
        let (ended, _) = breaks(MEMORY, limits).await;
        assert!(ended.usage.oom_kills >= Some(1), "{ended:?}");
    }

    #[tokio::test]
    async fn processes_are_counted() {
        let limits = Limits { processes: 30, cpus: 0.3, ..Limits::default() };
        let (ended, _) = breaks(FORKS, limits).await;
        assert!(ended.usage.processes_refused >= Some(1), "{ended:?}");
        // Known where the kernel keeps it, which this one may not.
        assert!(ended.usage.processes_peak.is_none_or(|peak| peak == 30), "{ended:?}");
    }

    #[tokio::test]
    async fn disk() {
        let limits = Limits { disk_bytes: 16 << 20, cpus: 0.3, ..Limits::default() };
        let (ended, _) = breaks(DISK, limits).await;
        assert!(ended.usage.disk_bytes <= Some(16 << 20), "{ended:?}");
    }

    #[tokio::test]
    async fn number_of_files() {
        let limits = Limits { disk_bytes: 16 << 20, cpus: 0.3, ..Limits::default() };
        assert_eq!(breaks(FILES, limits).await.0.end, SandboxEnd::Stopped);
    }
}
