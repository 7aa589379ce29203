//! Jobs made from an image, without Docker: of some of this machine's programs.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use testkit::Server;
use types::{JobStatus, Reason, Stream};

use crate::support::{Result, assert_complete, server};

/// What a job of shell blocks takes.
const PROGRAMS: [&str; 6] = [
    "/usr/bin/sh",
    "/usr/bin/bash",
    "/usr/bin/cat",
    "/usr/bin/env",
    "/usr/bin/ls",
    "/usr/bin/test",
];

/// Writes an archive of the programs with all that they load, and a file that tells where it is from.
fn write_archive(archive: &Path) {
    let beside = archive.with_extension("d");
    std::fs::create_dir_all(beside.join("etc")).unwrap();
    std::fs::write(beside.join("etc/image"), "from the image\n").unwrap();
    let loaded = Command::new("ldd").args(PROGRAMS).output().unwrap();
    let loaded = String::from_utf8(loaded.stdout).unwrap();
    let libraries =
        loaded.split_whitespace().filter(|word| word.starts_with('/') && !word.ends_with(':'));
    let status = Command::new("tar")
        .args(["--create", "--gzip", "--dereference", "--absolute-names", "--file"])
        .arg(archive)
        .args(libraries.chain(PROGRAMS))
        .args(["--directory".as_ref(), beside.as_path(), "etc/image".as_ref()])
        .status();
    assert!(status.unwrap().success());
}

/// Runs `cagent image` on a server's data.
fn image(server: &Server, args: &[&str], input: Stdio) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_cagent"))
        .arg("--data-dir")
        .arg(server.data_dir().path())
        .args(["--format", "json", "image"])
        .args(args)
        // Where no daemon is.
        .env("DOCKER_HOST", "unix:///nonexistent/docker.sock")
        .stdin(input)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn a_job_gets_the_image_it_names() {
    let server = server().await;
    let archive = server.data_dir().path().join("root.tar.gz");
    write_archive(&archive);
    let said =
        image(&server, &["import", "-", "--name", "mine"], File::open(&archive).unwrap().into());
    assert_eq!(said["name"], "mine:latest");
    let listed = image(&server, &["ls"], Stdio::null());
    assert_eq!(
        (&listed["images"][0]["name"], &listed["images"][0]["engine"]),
        (&json!("mine:latest"), &json!("local"))
    );

    let prompt = "```bash\ncat /etc/image; ls /usr/bin; echo kept > kept.txt\n```\n";
    let body = json!({ "prompt": prompt, "image": "mine" });
    let job = server.client().schedule(&body).await;
    assert_complete(&server.client().wait_end(job).await);
    let log = String::from_utf8(server.client().log(job, Stream::Stdout).await).unwrap();
    assert!(log.starts_with("from the image\n"), "{log}");
    assert_eq!(log.lines().count(), 1 + PROGRAMS.len(), "the host's programs are not there: {log}");
    assert_eq!(Result::of(&server, job).await.text("kept.txt"), "kept\n");

    let removed = image(&server, &["rm", "mine"], Stdio::null());
    assert_eq!(removed, json!({ "removed": ["mine"] }));
    let left = std::fs::read_dir(server.data_dir().path().join("images/.trees")).unwrap();
    assert_eq!(left.count(), 0);
}

#[tokio::test]
async fn a_job_of_an_image_that_is_not_there_says_how_to_get_it() {
    let server = server().await;
    let body = json!({ "prompt": "```sh\ntrue\n```\n", "image": "none" });
    let job = server.client().schedule(&body).await;
    let ended = server.client().wait_end(job).await;
    assert_eq!(
        (ended.status, ended.reason),
        (JobStatus::Error, Some(Reason::SandboxFailed)),
        "{ended:#?}"
    );
    let error = format!("{:?}", ended.error);
    assert!(error.contains("cagent image import"), "{error}");
}
