//! Jobs that do what they should not.

use serde_json::json;
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

#[tokio::test]
async fn agentd_cannot_be_stopped_or_impersonated() {
    let server = server().await;
    let attack = "import os, signal, socket\n\
                  for s in (9, 19, 15, 11, 7):\n\
                  \x20   try: os.kill(1, s)\n\
                  \x20   except PermissionError: pass\n\
                  c = socket.socket(socket.AF_UNIX)\n\
                  try:\n\
                  \x20   c.connect('/run/cagent/gateway.sock')\n\
                  except PermissionError:\n\
                  \x20   raise SystemExit(0)\n\
                  body = b'{\"protocol\":1,\"agent_version\":\"x\"}'\n\
                  c.sendall(b'POST /v1/hello HTTP/1.1\\r\\nHost: g\\r\\nContent-Length: %d\\r\\n\\r\\n' % len(body) + body)\n\
                  assert b' 401 ' in c.recv(4096), 'a stranger got in'";
    assert_complete(&run(&server, "python", attack).await);
}
