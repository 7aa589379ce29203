use std::io::{Cursor, Read};

use api::Job;
use serde_json::Value;
use testkit::Server;
use types::{JobId, JobStatus};
use zip::ZipArchive;

/// A server with the program as it was built for this test.
pub(crate) async fn server() -> Server {
    Server::start(env!("CARGO_BIN_EXE_cagent")).await
}

/// Runs a runbook of one block to its end.
pub(crate) async fn run(server: &Server, language: &str, code: &str) -> Job {
    let job = server.client().run(&format!("```{language}\n{code}\n```\n")).await;
    server.client().wait_end(job).await
}

/// Everything that is wrong with a job is in here.
pub(crate) fn assert_complete(job: &Job) {
    assert_eq!(job.status, JobStatus::Complete, "{job:#?}");
}

/// A downloaded result.
pub(crate) struct Result {
    zip: ZipArchive<Cursor<Vec<u8>>>,
}

impl Result {
    pub(crate) async fn of(server: &Server, job: JobId) -> Self {
        let bytes = server.client().download(job).await;
        Self { zip: ZipArchive::new(Cursor::new(bytes)).unwrap() }
    }

    /// The job's own files.
    pub(crate) fn names(&self) -> Vec<String> {
        let all = self.zip.file_names().map(|name| name.unwrap().into_owned());
        let mut all: Vec<_> = all.filter(|name| !name.starts_with(".cagent/")).collect();
        all.sort();
        all
    }

    pub(crate) fn bytes(&mut self, name: &str) -> Vec<u8> {
        let mut bytes = vec![];
        let mut file = self.zip.by_name(name).unwrap_or_else(|e| panic!("{name}: {e}"));
        file.read_to_end(&mut bytes).unwrap();
        bytes
    }

    pub(crate) fn text(&mut self, name: &str) -> String {
        String::from_utf8(self.bytes(name)).unwrap()
    }

    pub(crate) fn manifest(&mut self) -> Value {
        serde_json::from_slice(&self.bytes(".cagent/manifest.json")).unwrap()
    }

    /// Why the manifest says that an entry was left out.
    pub(crate) fn why_left_out(&mut self, path: &str) -> Option<String> {
        let manifest = self.manifest();
        let all = manifest["left_out"].as_array().unwrap().clone();
        let entry = all.into_iter().find(|entry| entry["path"] == path)?;
        Some(entry["why"].as_str().unwrap().to_owned())
    }
}
