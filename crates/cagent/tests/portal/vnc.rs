//! `cagent open` and `cagent vnc`.

use std::process::Stdio;

use testkit::{PATIENCE, Server};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;
use types::JobId;

use crate::support::{file, server, shows, terminal};

fn cagent(server: &Server, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cagent"));
    command.arg("--server").arg(server.url()).args(args);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Starts `cagent vnc`; where it listens.
async fn vnc(server: &Server, job: JobId, more: &[&str]) -> (Child, String) {
    let job = job.to_string();
    let mut child = cagent(server, &[&["vnc", &job][..], more].concat()).spawn().unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    timeout(PATIENCE, stdout.read_line(&mut line)).await.unwrap().unwrap();
    let address = line.split(" is at ").nth(1).and_then(|rest| rest.split(',').next());
    (child, address.unwrap_or_else(|| panic!("{line:?}")).to_owned())
}

#[tokio::test]
async fn any_vnc_program_can_work_in_a_desktop() {
    let server = server().await;
    let job = terminal(&server).await;
    let (_child, address) = vnc(&server, job, &["--port", "0"]).await;
    let mut viewer = TcpStream::connect(&address).await.unwrap();
    let mut greeting = [0; 12];
    viewer.read_exact(&mut greeting).await.unwrap();
    assert_eq!(&greeting, b"RFB 003.008\n");
    viewer.write_all(b"RFB 003.008\n\x01\x01").await.unwrap();
    viewer.read_exact(&mut [0; 2 + 4 + 24]).await.unwrap();
    // A click gives the window the keyboard, in the window manager's own time.
    viewer.write_all(&[5, 1, 0, 100, 0, 100, 5, 0, 0, 100, 0, 100]).await.unwrap();
    for (key, down) in [(b'o', 1), (b'o', 0), (b'k', 1), (b'k', 0)] {
        viewer.write_all(&[4, down, 0, 0, 0, 0, 0, key]).await.unwrap();
    }
    viewer.write_all(&[4, 1, 0, 0, 0, 0, 0xff, 0x0d]).await.unwrap();
    assert_eq!(file(&server, job, "line.txt").await, "ok");
}

#[tokio::test]
async fn a_port_that_is_taken_is_left_alone() {
    let server = server().await;
    let job = shows(&server, "true").await;
    let (_one, first) = vnc(&server, job, &["--watch"]).await;
    let (_two, second) = vnc(&server, job, &["--watch"]).await;
    assert_ne!(first, second);
    assert!(!second.ends_with(":5900"), "{second}");
    let taken = first.rsplit(':').next().unwrap();
    let mut asked = cagent(&server, &["vnc", &job.to_string(), "--port", taken]);
    let refused = asked.output().await.unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains(taken), "{refused:?}");
}

#[tokio::test]
async fn a_link_is_printed() {
    let server = server().await;
    let job = shows(&server, "true").await;
    let printed = cagent(&server, &["open", &job.to_string()]).output().await.unwrap();
    let link = String::from_utf8(printed.stdout).unwrap();
    assert!(link.starts_with(&format!("http://{job}.localhost:")), "{link}");
    assert!(link.contains("ticket=") && link.lines().count() == 1, "{link}");
    for (what, code, answer) in [
        ("jupyter", 0, format!("http://lab-{job}.localhost:")),
        ("5173", 0, format!("http://5173-{job}.localhost:")),
        ("0", 2, "desktop, jupyter or a port".into()),
    ] {
        let printed = cagent(&server, &["open", &job.to_string(), what]).output().await.unwrap();
        assert_eq!(printed.status.code(), Some(code), "{printed:?}");
        let said = [printed.stdout, printed.stderr].concat();
        assert!(String::from_utf8_lossy(&said).contains(&answer), "{what}: {said:?}");
    }
    let both =
        cagent(&server, &["open", "--watch", &job.to_string(), "80"]).output().await.unwrap();
    assert_eq!(both.status.code(), Some(2), "{both:?}");

    server.client().cancel(job).await;
    server.client().wait_end(job).await;
    let refused = cagent(&server, &["open", &job.to_string()]).output().await.unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("cancelled"), "{refused:?}");
}
