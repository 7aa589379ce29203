//! What a sandbox cannot do, tried from inside.

use engine::SandboxEnd;
use testkit::docker::Daemon;
use types::Limits;

use crate::bed::{Bed, IDLE};

fn limits() -> Limits {
    Limits { memory_bytes: 128 << 20, processes: 32, open_files: 100, ..Limits::default() }
}

#[tokio::test]
async fn commands_have_no_rights_no_network_and_limits() {
    let bed = Bed::new(
        r#"as_command('''
import os, resource, socket
def fails(what, do):
    try:
        do()
        print(what, "works")
    except (OSError, PermissionError) as e:
        print(what, "fails")
status = dict(line.split(":\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\t" in line)
print("caps", int(status["CapEff"], 16) + int(status["CapBnd"], 16) & ~0xe0)
print("nnp", status["NoNewPrivs"], "seccomp", status["Seccomp"])
print("files", resource.getrlimit(resource.RLIMIT_NOFILE))
print("interfaces", [name for _, name in socket.if_nameindex()])
fails("gateway", lambda: socket.socket(socket.AF_UNIX).connect("/run/cagent/gateway.sock"))
fails("root", lambda: open("/etc/x", "w"))
fails("tools", lambda: open("/opt/cagent/x", "w"))
fails("run", lambda: open("/run/x", "w"))
for place in ["/tmp", "/home/agent", "/workspace"]:
    fails(place, lambda: open(place + "/x", "w"))
print("home", os.environ["HOME"])
''')"#,
    );
    let (ended, log) = bed.run(limits()).await;
    assert_eq!(ended.end, SandboxEnd::Exited { code: 0 }, "{log}");
    let expected = "caps 0\nnnp 1 seccomp 2\nfiles (100, 100)\ninterfaces ['lo']\ngateway fails\nroot fails\n\
                    tools fails\nrun fails\n/tmp works\n/home/agent works\n/workspace works\nhome /home/agent\n";
    assert_eq!(log, expected);
}

#[tokio::test]
async fn too_much_memory_is_told() {
    let bed =
        Bed::new("time.sleep(0.1)\nprint(as_command('b = bytearray(300 << 20)'))\ntime.sleep(0.5)");
    let (ended, log) = bed.run(limits()).await;
    assert_eq!(ended.usage.oom_kills, Some(1), "{log} {ended:?}");
}

#[tokio::test]
async fn processes_have_a_bound() {
    let bed = Bed::new(
        r#"as_command('''
import os, time
n = 0
try:
    while True:
        if os.fork() == 0:
            time.sleep(100)
            os._exit(0)
        n += 1
except OSError:
    print(n < 32)
''')"#,
    );
    let (_, log) = bed.run(limits()).await;
    assert_eq!(log, "True\n");
}

#[tokio::test]
async fn a_workspace_that_is_too_large_ends_it() {
    let agentd = "as_command('open(\"/workspace/big\", \"wb\").write(bytes([1]) * (40 << 20))')\n";
    let limits = Limits { disk_bytes: 20 << 20, ..limits() };
    let bed = Bed::new(&format!("{agentd}time.sleep(3600)"));
    let (ended, log) = bed.run(limits).await;
    assert_eq!(ended.end, SandboxEnd::DiskQuota, "{log} {ended:?}");
    assert!(ended.disk_full && ended.usage.disk_bytes >= Some(40 << 20), "{ended:?}");
    let tcp = Daemon::usual_by_tcp();
    for forever in ["", "time.sleep(3600)"] {
        let bed = Bed::with(&format!("{agentd}{forever}"), &tcp, |_| {});
        let (ended, log) = bed.run(limits).await;
        assert_eq!(ended.end, SandboxEnd::DiskQuota, "{log} {ended:?}");
        assert!(ended.disk_full);
    }
}

#[tokio::test]
async fn one_that_cannot_be_measured_ends() {
    let bed = Bed::with(IDLE, &Daemon::usual_by_tcp(), |config| {
        let agentd = config.tools.join("bin/agentd");
        let text = std::fs::read_to_string(&agentd).unwrap();
        std::fs::write(&agentd, text.replace("    print(sum(", "    sys.exit('no '); print(sum("))
            .unwrap();
    });
    let (ended, log) = bed.run(limits()).await;
    assert_eq!(ended.end, SandboxEnd::DiskUnknown, "{log} {ended:?}");
}

#[tokio::test]
async fn what_was_used_is_measured() {
    let bed = Bed::new("n = 0\nwhile time.process_time() < 1:\n    n += 1\ntime.sleep(3600)");
    let job = bed.start(limits()).await;
    let used = loop {
        let used = engine::Engine::stats(&bed.engine, job).await.unwrap();
        if used.cpu_ms > Some(500) {
            break used;
        }
    };
    assert!(used.memory_peak_bytes > Some(1 << 20) && used.processes_peak >= Some(1), "{used:?}");
    engine::Engine::stop(&bed.engine, job).await.unwrap();
    let ended = bed.wait(job).await;
    assert!(ended.usage.cpu_ms >= used.cpu_ms, "{ended:?}");
    engine::Engine::remove(&bed.engine, job).await.unwrap();
}
