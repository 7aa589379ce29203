//! Jobs that do what they should not.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};

use rustix::process::geteuid;
use serde_json::json;
use testkit::{Builder, DataDir, Server};
use types::{JobStatus, Stream};

use crate::support::{Result, assert_complete, run, server};

#[tokio::test]
async fn links_pipes_and_sockets_are_listed_and_not_followed() {
    let server = server().await;
    let plant = "import os, socket\n\
                 os.symlink('/etc/shadow', 'shadow')\n\
                 os.symlink('/', 'root')\n\
                 os.symlink('../../..', 'up')\n\
                 os.mkfifo('fifo')\n\
                 socket.socket(socket.AF_UNIX).bind('sock')\n\
                 os.mkdir('.cagent'); open('.cagent/manifest.json', 'w').write('forged')\n\
                 open('good.txt', 'w').write('good')";
    let ended = run(&server, "python", plant).await;
    assert_complete(&ended);
    let mut result = Result::of(&server, ended.job_id).await;
    assert_eq!(result.names(), ["good.txt"]);
    let manifest = result.manifest();
    let links = manifest["links"].as_array().unwrap();
    assert_eq!(links.len(), 3, "{manifest:#}");
    for path in ["fifo", "sock", ".cagent"] {
        assert!(result.why_left_out(path).is_some(), "{path}: {manifest:#}");
    }
    assert_eq!(manifest["job"]["result"]["status"], "complete", "not the forged one");
}

#[tokio::test]
async fn a_sparse_file_of_10_gb_is_left_out() {
    let server = server().await;
    let body = json!({
        "prompt": "```sh\ntruncate -s 10G huge\necho small > small\n```\n",
        "limits": { "file_bytes": 20u64 << 30 },
    });
    let job = server.client().schedule(&body).await;
    assert_complete(&server.client().wait_end(job).await);
    let mut result = Result::of(&server, job).await;
    assert_eq!(result.names(), ["small"]);
    assert_eq!(result.why_left_out("huge").as_deref(), Some("too_large"));
}

#[tokio::test]
async fn a_hundred_megabytes_of_output_arrive() {
    let server = server().await;
    let ended = run(&server, "sh", "head -c 100000000 /dev/zero | tr '\\0' x").await;
    assert_complete(&ended);
    let log = server.client().log(ended.job_id, Stream::Stdout).await;
    assert_eq!(log.len(), 100_000_000);
    assert!(log.iter().all(|byte| *byte == b'x'));
}

#[tokio::test]
async fn binary_output_arrives_as_it_is() {
    let server = server().await;
    let write = "import sys\nsys.stdout.buffer.write(bytes(range(256)) * 400)";
    let ended = run(&server, "python", write).await;
    assert_complete(&ended);
    let expected: Vec<u8> = (0..=255).cycle().take(256 * 400).collect();
    assert_eq!(server.client().log(ended.job_id, Stream::Stdout).await, expected);
}

#[tokio::test]
async fn daemons_do_not_outlive_their_step() {
    let server = server().await;
    let runbook = "```sh\n(trap '' TERM HUP; setsid sleep 7654321 >/dev/null 2>&1 &)\n\
                   nohup setsid sleep 7654322 &\n```\n\
                   ```sh\n! grep -alE '765432[12]' /proc/[0-9]*/cmdline\n```\n";
    let job = server.client().run(runbook).await;
    assert_complete(&server.client().wait_end(job).await);
}

#[tokio::test]
async fn a_fork_bomb_hurts_only_itself() {
    let server = server().await;
    let body = json!({
        "prompt": "```bash timeout=2s\nbomb() { bomb | bomb & }; bomb; sleep 60\n```\n",
        "limits": { "processes": 64 },
    });
    let bomb = server.client().schedule(&body).await;
    let neighbour = run(&server, "sh", "echo fine").await;
    assert_complete(&neighbour);
    assert_eq!(server.client().wait_end(bomb).await.status, JobStatus::Error);
}

/// Signals for agentd and calls to the gateway; prints whether the gateway was reached.
const ATTACK: &str = "import os, signal, socket
for s in (9, 19, 15, 11, 7):
    try: os.kill(1, s)
    except PermissionError: pass
body = b'{\"protocol\":1,\"agent_version\":\"x\"}'
hello = b'POST /v1/hello HTTP/1.1\\r\\nHost: g\\r\\nContent-Length: %d\\r\\n\\r\\n' % len(body)
def say(text):
    c = socket.socket(socket.AF_UNIX)
    c.connect('/run/cagent/gateway.sock')
    c.sendall(text)
    return c
try: stranger = say(hello + body)
except PermissionError: raise SystemExit(print('refused'))
print(stranger.recv(4096).split(b'\\r\\n')[0].decode())
crowd = [say(hello[:-2]) for _ in range(100)]";

#[tokio::test]
async fn agentd_cannot_be_stopped_or_impersonated() {
    let server = server().await;
    let ended = run(&server, "python", ATTACK).await;
    assert_complete(&ended);
    let outcome = server.client().log(ended.job_id, Stream::Stdout).await;
    // Root gives commands a user of their own, who does not even reach the socket.
    let expected = if geteuid().is_root() { "refused\n" } else { UNAUTHORIZED };
    assert_eq!(str::from_utf8(&outcome), Ok(expected));
}

#[tokio::test]
async fn nor_where_commands_run_as_the_agents_user() {
    let (_data, server) = server_of_nobody().await;
    let ended = run(&server, "python", ATTACK).await;
    assert_complete(&ended);
    let outcome = server.client().log(ended.job_id, Stream::Stdout).await;
    assert_eq!(str::from_utf8(&outcome), Ok(UNAUTHORIZED));
}

/// As `nohup` and a script's `&` do.
#[tokio::test]
async fn what_the_server_was_started_to_ignore_jobs_do_not() {
    let data = DataDir::new();
    let program = data.path().parent().unwrap().join("ignoring");
    let script =
        format!("#!/bin/sh\ntrap '' INT HUP\nexec '{}' \"$@\"\n", env!("CARGO_BIN_EXE_cagent"));
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    let server = Builder::new(&program).data_dir(&data).start().await;
    let ended =
        run(&server, "bash", "for s in INT HUP; do trap \"echo $s\" $s; kill -$s $$; done").await;
    assert_complete(&ended);
    assert_eq!(server.client().log(ended.job_id, Stream::Stdout).await, b"INT\nHUP\n");
}

const UNAUTHORIZED: &str = "HTTP/1.1 401 Unauthorized\n";

/// A server that an ordinary user started.
async fn server_of_nobody() -> (DataDir, Server) {
    const NOBODY: u32 = 65534;
    assert!(geteuid().is_root(), "run this as root: it starts a server as another user");
    let data = DataDir::new();
    let home = data.path().parent().unwrap();
    chown(home, Some(NOBODY), Some(NOBODY)).unwrap();
    // The user may not be able to reach the build directory.
    let (copy, program) = (home.join("cagent"), home.join("as-nobody"));
    fs::copy(env!("CARGO_BIN_EXE_cagent"), &copy).unwrap();
    let ids = format!("--reuid={NOBODY} --regid={NOBODY} --clear-groups");
    let script = format!("#!/bin/sh\nexec setpriv {ids} '{}' \"$@\"\n", copy.display());
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    (data.clone(), Builder::new(&program).data_dir(&data).start().await)
}
