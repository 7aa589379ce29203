use std::fs;
use std::io::{Cursor, Read as _};

use api::Job;
use testkit::docker::{Daemon, IMAGE};
use testkit::{Builder, DataDir, Server};
use types::{JobId, JobStatus};
use zip::ZipArchive;

/// Servers on one data directory, one after the other; what they leave with the daemon is removed.
pub(crate) struct Bed {
    dir: DataDir,
    pub(crate) daemon: Daemon,
}

impl Bed {
    /// On the machine's daemon, whose containers see our directories.
    pub(crate) fn mounted() -> Self {
        Self::on(&Daemon::usual())
    }

    /// The same daemon by TCP.
    pub(crate) fn bridged() -> Self {
        Self::on(&Daemon::usual_by_tcp())
    }

    /// On this one.
    pub(crate) fn on(daemon: &Daemon) -> Self {
        Self { dir: DataDir::new(), daemon: daemon.clone() }
    }

    pub(crate) fn builder(&self) -> Builder {
        // By its certificates each bed has a volume of programs of its own, which it can remove.
        let own = self.dir.path().with_file_name("own.pem");
        let found =
            std::env::var("SSL_CERT_FILE").unwrap_or("/etc/ssl/certs/ca-certificates.crt".into());
        let certificates = fs::read_to_string(found).unwrap_or_default();
        fs::write(&own, format!("# {}\n{certificates}", own.display())).unwrap();
        Builder::new(env!("CARGO_BIN_EXE_cagent"))
            .data_dir(&self.dir)
            .env("CAGENT_DESKTOP_LISTEN", "127.0.0.1:0")
            .env("CAGENT_JUPYTER_LISTEN", "127.0.0.1:0")
            .env("CAGENT_ENGINE", "docker")
            .env("AGENT_IMAGE", IMAGE)
            .env("DOCKER_HOST", &self.daemon.0)
            .env("SSL_CERT_FILE", own)
    }

    pub(crate) async fn server(&self) -> Server {
        self.builder().start().await
    }

    fn owner(&self) -> Option<String> {
        fs::read_to_string(self.dir.path().join("docker/owner")).ok()
    }

    /// The container of a job.
    pub(crate) fn container(&self, job: JobId) -> String {
        let of = format!("label=cagent.job={job}");
        let found = self.daemon.ask(&["ps", "--all", "--quiet", "--filter", &of]);
        let [one] = &found[..] else { panic!("the containers of job {job}: {found:?}") };
        one.clone()
    }

    /// What is left of its containers and volumes.
    pub(crate) fn left(&self) -> Vec<String> {
        self.daemon.left_of(&self.owner().unwrap())
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        if let Some(owner) = self.owner() {
            self.daemon.sweep(&owner);
        }
    }
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
