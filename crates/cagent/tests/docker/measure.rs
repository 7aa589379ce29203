//! What `agentd measure` sees of a workspace whose job does not want it seen.

use serde_json::json;
use types::{JobStatus, Reason, Stream};

use crate::support::Bed;

/// Its output, when it ended because its workspace held too much.
async fn fills_its_disk(code: &str) -> (String, String) {
    let bed = Bed::bridged();
    let server = bed.server().await;
    let body = json!({
        "prompt": format!("```python\n{code}\n```\n"), "mode": "runbook",
        "limits": { "disk_bytes": 20 << 20, "processes": 64, "wall_seconds": 300 },
    });
    let job = server.client().schedule(&body).await;
    let job = server.client().wait_end(job).await;
    let log = server.client().log(job.job_id, Stream::Stdout).await;
    let log = String::from_utf8(log).unwrap();
    let is_full = (job.status, job.reason) == (JobStatus::Error, Some(Reason::LimitDisk));
    assert!(is_full, "{log} {job:#?}");
    assert_eq!(bed.left(), Vec::<String>::new());
    (log, job.error.unwrap())
}

#[tokio::test]
async fn a_job_that_leaves_it_no_process_ends_all_the_same() {
    let (log, _) = fills_its_disk(
        r#"import os, time
os.mkdir("closed", 0o700)
open("closed/big", "wb").write(bytes(40 << 20))
while True:
    try:
        if os.fork() == 0:
            time.sleep(1000)
            os._exit(0)
    except BlockingIOError:
        print("full", flush=True)
        break
time.sleep(1000)"#,
    )
    .await;
    assert_eq!(log, "full\n");
}

#[tokio::test]
async fn a_command_cannot_end_stop_or_trace_it() {
    let (log, why) = fills_its_disk(
        r#"import ctypes, os, signal
os.mkdir("closed", 0o700)
# It takes a while to count these, and sees nothing that ends the count.
for n in range(20000):
    open(f"closed/{n}", "w").close()
SEIZE = 0x4206
libc = ctypes.CDLL(None, use_errno=True)

def seize(pid):
    if libc.ptrace(SEIZE, pid, None, None):
        raise OSError(ctypes.get_errno(), "ptrace")

def allowed(do):
    try:
        do()
        return True
    except PermissionError:
        return False
    except (ProcessLookupError, FileNotFoundError):
        return None

def attack(pid):
    tries = {
        "trace": lambda: seize(pid),
        "stop": lambda: os.kill(pid, signal.SIGSTOP),
        "kill": lambda: os.kill(pid, signal.SIGKILL),
    }
    for name, do in tries.items():
        outcome = allowed(do)
        if outcome is not None and (name, outcome) not in said:
            said.add((name, outcome))
            print(name, outcome, flush=True)

def measures(pid):
    try:
        return b"\0measure\0" in open(f"/proc/{pid}/cmdline", "rb").read()
    except OSError:
        return False

said = set()
while True:
    for pid in os.listdir("/proc"):
        if pid.isdigit() and int(pid) != os.getpid() and measures(pid):
            attack(int(pid))
    if len(said) >= 3 and not os.path.exists("closed/big"):
        open("closed/big", "wb").write(bytes(40 << 20))"#,
    )
    .await;
    let mut tried: Vec<_> = log.lines().collect();
    tried.sort_unstable();
    assert_eq!(tried, ["kill False", "stop False", "trace False"]);
    assert!(why.contains("limits.disk_bytes"), "it was measured: {why}");
}
