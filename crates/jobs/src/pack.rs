//! The result: the workspace, and what is known of the job.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use artifacts::{Extra, Options, PackRequest, Packed, Source};
use engine::{Engine, EngineError, Workspace};
use types::{JobId, JobRecord, Stream};

use crate::run::not_configured;
use crate::service::Inner;

/// Events written at one time.
const PAGE: u32 = 1000;

impl Inner {
    /// Packs a job's workspace into its `output.zip`.
    ///
    /// # Errors
    /// Why there is no ZIP, for people.
    pub(crate) async fn pack(
        &self,
        record: &JobRecord,
        engine: Option<&dyn Engine>,
    ) -> Result<Packed, String> {
        let folder = self.folders.of_job(record.id);
        let workspace = match (engine, record.started) {
            (Some(engine), _) => match engine.workspace(record.id).await {
                Ok(workspace) => Some(workspace),
                Err(EngineError::NotFound(_)) => None,
                Err(e) => return Err(e.to_string()),
            },
            (None, None) => None,
            (None, Some(_)) => return Err(not_configured(&record.spec.engine)),
        };
        self.folders.make_for_job(record.id).map_err(|e| e.to_string())?;
        let events = folder.join("events.ndjson.tmp");
        let packed = match self.write_events(record.id, &events).await {
            Ok(()) => self.pack_with(record, workspace, events.clone()).await,
            Err(e) => Err(format!("write the events: {e}")),
        };
        drop(tokio::fs::remove_file(events).await);
        packed
    }

    async fn write_events(&self, job: JobId, path: &Path) -> Result<(), Unwritten> {
        let mut file = BufWriter::new(File::create(path)?);
        let mut after = 0;
        loop {
            let page = self.store.events(job, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.seq;
            for event in &page {
                serde_json::to_writer(&mut file, event)?;
                file.write_all(b"\n")?;
            }
        }
        Ok(file.flush()?)
    }

    async fn pack_with(
        &self,
        record: &JobRecord,
        workspace: Option<Workspace>,
        events: PathBuf,
    ) -> Result<Packed, String> {
        let log = |stream| Source::File(self.folders.log(record.id, stream));
        let extras = vec![
            Extra { name: "runbook.md", source: Source::Bytes(record.spec.prompt.clone().into()) },
            Extra { name: "events.ndjson", source: Source::File(events) },
            Extra { name: "stdout.log", source: log(Stream::Stdout) },
            Extra { name: "stderr.log", source: log(Stream::Stderr) },
        ];
        let target = self.folders.zip(record.id);
        let include_caches = record.spec.include_caches;
        let job = facts(record);
        // What is not there is packed as empty.
        let nothing = self.folders.of_job(record.id).join("workspace");
        let work = move || {
            let path = workspace.as_ref().map_or(nothing, Workspace::path);
            artifacts::pack(PackRequest {
                workspace: &path,
                target: &target,
                job,
                extras,
                options: Options { include_caches, ..Options::default() },
            })
        };
        let done = tokio::task::spawn_blocking(work).await.map_err(|e| e.to_string())?;
        done.map_err(|e| e.to_string())
    }
}

/// Why the events could not be written.
type Unwritten = Box<dyn std::error::Error + Send + Sync>;

/// What the manifest says of the job. The prompt is beside it, as `runbook.md`.
fn facts(record: &JobRecord) -> serde_json::Value {
    serde_json::json!({
        "job_id": record.id,
        "mode": record.spec.mode,
        "engine": record.spec.engine,
        "limits": record.spec.limits,
        "created": record.created,
        "started": record.started,
        "result": record.ending,
        "sandbox": record.sandbox,
        "usage": record.usage,
    })
}
