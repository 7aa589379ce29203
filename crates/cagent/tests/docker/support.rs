use std::fs;
use std::io::{Cursor, Read as _, Write, copy};
use std::net::{Shutdown, TcpListener};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::thread;

use api::Job;
use testkit::{Builder, DataDir, Server};
use types::{JobId, JobStatus};
use zip::ZipArchive;

/// What the tests' sandboxes are made from; the tests of crate `engine-docker` make it.
pub(crate) const IMAGE: &str = "cagent-test-base:latest";

const SOCKET: &str = "/var/run/docker.sock";

/// Servers on one data directory, one after the other; what they leave with the daemon is removed.
pub(crate) struct Bed {
    dir: DataDir,
    host: String,
}

impl Bed {
    /// On the machine's daemon, whose containers see our directories.
    pub(crate) fn mounted() -> Self {
        Self { dir: DataDir::new(), host: format!("unix://{SOCKET}") }
    }

    /// The same daemon by TCP.
    pub(crate) fn bridged() -> Self {
        Self { dir: DataDir::new(), host: by_tcp() }
    }

    pub(crate) fn builder(&self) -> Builder {
        let found = docker(&["image", "inspect", IMAGE]);
        assert!(found.status.success(), "make it: cargo test -p engine-docker; {found:?}");
        Builder::new(env!("CARGO_BIN_EXE_cagent"))
            .data_dir(&self.dir)
            .env("CAGENT_ENGINE", "docker")
            .env("CAGENT_IMAGE", IMAGE)
            .env("DOCKER_HOST", &self.host)
    }

    pub(crate) async fn server(&self) -> Server {
        self.builder().start().await
    }

    fn owner(&self) -> Option<String> {
        fs::read_to_string(self.dir.path().join("docker/owner")).ok()
    }

    /// The container of a job.
    pub(crate) fn container(&self, job: JobId) -> String {
        format!("cagent-{}-{job}", self.owner().unwrap())
    }

    /// What is left of its containers and volumes.
    pub(crate) fn left(&self) -> Vec<String> {
        let owner = self.owner().unwrap();
        let containers = docker(&["ps", "-aq", "--filter", &format!("label=cagent.owner={owner}")]);
        let volumes = docker(&["volume", "ls", "-q", "--filter", &format!("name=cagent-{owner}-")]);
        let text = [containers.stdout, volumes.stdout].concat();
        String::from_utf8(text).unwrap().lines().map(Into::into).collect()
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        let Some(owner) = self.owner() else { return };
        let shell = format!(
            "docker ps -aq --filter label=cagent.owner={owner} | while read -r c; do docker rm -f \"$c\"; done
             docker volume ls -q --filter name=cagent-{owner}- | while read -r v; do docker volume rm \"$v\"; done
             docker volume ls -q --filter label=cagent.tools | while read -r v; do docker volume rm \"$v\"; done"
        );
        drop(Command::new("bash").arg("-c").arg(shell).output());
    }
}

pub(crate) fn docker(args: &[&str]) -> std::process::Output {
    let ran = Command::new("docker").args(args).output();
    ran.expect("docker: apt-get install docker.io docker-cli")
}

/// Runs a runbook of one block to its end.
pub(crate) async fn run(server: &Server, language: &str, code: &str) -> Job {
    let job = server.client().run(&format!("```{language}\n{code}\n```\n")).await;
    server.client().wait_end(job).await
}

pub(crate) fn assert_complete(job: &Job) {
    assert_eq!(job.status, JobStatus::Complete, "{job:#?}");
}

/// A file of a job's ZIP.
pub(crate) async fn file(server: &Server, job: JobId, name: &str) -> String {
    let zip = server.client().download(job).await;
    let mut zip = ZipArchive::new(Cursor::new(zip)).unwrap();
    let mut text = String::new();
    zip.by_name(name).unwrap().read_to_string(&mut text).unwrap();
    text
}

fn by_tcp() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let daemon = UnixStream::connect(SOCKET).unwrap();
            let (from_stream, from_daemon) =
                (stream.try_clone().unwrap(), daemon.try_clone().unwrap());
            thread::spawn(move || pass_on(from_stream, daemon, |to| to.shutdown(Shutdown::Write)));
            thread::spawn(move || pass_on(from_daemon, stream, |to| to.shutdown(Shutdown::Write)));
        }
    });
    format!("tcp://{address}")
}

fn pass_on<W: Write>(mut from: impl std::io::Read, mut to: W, end: fn(&W) -> std::io::Result<()>) {
    drop(copy(&mut from, &mut to).and_then(|_| end(&to)));
}
