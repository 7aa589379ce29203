//! A new version on the data directory of an older one.

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use testkit::{Builder, DataDir};
use types::{Event, EventKind, JobStatus};

use crate::support::{Result, assert_complete};

/// What the stores of those schemas wrote themselves.
const DUMPS: &[&str] = &[
    include_str!("../../../store/tests/schemas/1.sql"),
    include_str!("../../../store/tests/schemas/2.sql"),
    include_str!("../../../store/tests/schemas/3.sql"),
    include_str!("../../../store/tests/schemas/4.sql"),
    include_str!("../../../store/tests/schemas/5.sql"),
];

/// What schemas 5 and 6 added, taken away again.
const TO_4: &str = "DROP TABLE outbox; DROP INDEX jobs_kept; DROP INDEX jobs_by_resumed; \
                    ALTER TABLE jobs DROP COLUMN kept; ALTER TABLE jobs DROP COLUMN resumes; \
                    PRAGMA user_version = 4;";

fn builder(data: &DataDir) -> Builder {
    Builder::new(env!("CARGO_BIN_EXE_cagent")).data_dir(data)
}

fn copies(data: &Path) -> usize {
    let names = fs::read_dir(data).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().contains(".before-schema-")).count()
}

/// What had not begun is run, what was over is there, what lost its sandbox is interrupted.
#[tokio::test]
async fn a_server_starts_on_every_schema() {
    for dump in DUMPS {
        let data = DataDir::new();
        fs::create_dir_all(data.path()).unwrap();
        Connection::open(data.path().join("cagent.db")).unwrap().execute_batch(dump).unwrap();
        // The results of back then would be forgotten at once.
        let server = builder(&data).env("RETENTION_DAYS", "36500").start().await;
        let jobs = server.client().jobs().await.jobs;
        let mut ends = vec![];
        for job in jobs.iter().rev() {
            ends.push(server.client().wait_end(job.job_id).await.status);
        }
        use JobStatus::{Cancelled, Complete, Error};
        assert_eq!(ends, [Complete, Error, Cancelled, Error, Complete]);
        assert!(server.stop().await.success());
        assert_eq!(copies(data.path()), 1);
    }
}

#[tokio::test]
async fn a_job_that_runs_goes_on_across_a_migration() {
    let data = DataDir::new();
    let server = builder(&data).start().await;
    let runbook =
        "```sh\necho begun >> begun\necho waiting\nuntil [ -e go ]; do sleep 0.02; done\n```\n";
    let job = server.client().run(runbook).await;
    let output = |event: &Event| matches!(event.event, EventKind::Output { .. });
    server.client().events_until(job, output).await;
    server.kill().await;
    Connection::open(data.path().join("cagent.db")).unwrap().execute_batch(TO_4).unwrap();

    let server = builder(&data).start().await;
    assert_eq!(copies(data.path()), 1);
    crate::stop::go(&server, job).await;
    assert_complete(&server.client().wait_end(job).await);
    assert_eq!(Result::of(&server, job).await.text("begun"), "begun\n");
}
