//! Stores of every schema ever released, as their own versions wrote them, are taken over whole.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use store::{Copy, Durability, Inserted, JobFilter, RequestKey, Store, StoreError};
use tempfile::TempDir;
use types::{EventKind, JobStatus};

/// Dumps of all schemas but ours; a schema that is released leaves one here.
const DUMPS: &[&str] = &[
    include_str!("schemas/1.sql"),
    include_str!("schemas/2.sql"),
    include_str!("schemas/3.sql"),
    include_str!("schemas/4.sql"),
    include_str!("schemas/5.sql"),
];

/// The schema of this version.
fn ours() -> u32 {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("cagent.db");
    drop(Store::open(&path).unwrap());
    version(&path)
}

fn version(path: &Path) -> u32 {
    let db = Connection::open(path).unwrap();
    db.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

/// A data directory as a version with this schema left it.
fn data(schema: usize) -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("cagent.db");
    let db = Connection::open(&path).unwrap();
    db.execute_batch(DUMPS[schema - 1]).unwrap();
    db.pragma_update(None, "journal_mode", "wal").unwrap();
    (dir, path)
}

/// Everything that is in a store, as text.
fn all_of(path: &Path) -> Vec<String> {
    let db = Connection::open(path).unwrap();
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
    let tables: Vec<String> = db
        .prepare(tables)
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let mut all = vec![];
    for table in tables {
        let mut statement = db.prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2")).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let values = (0..columns).map(|i| format!("{:?}", row.get_ref_unwrap(i)));
            all.push(format!("{table}: {}", values.collect::<Vec<_>>().join(", ")));
        }
    }
    all
}

fn copies(dir: &TempDir) -> Vec<String> {
    let names = fs::read_dir(dir.path()).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut copies: Vec<_> = names.filter(|name| name.contains("before")).collect();
    copies.sort();
    copies
}

#[tokio::test]
async fn every_schema_is_taken_over_whole() {
    let ours = ours();
    assert_eq!(DUMPS.len() as u32 + 1, ours, "a dump of each, tests/schemas/N.sql, but of ours");
    for schema in 1..=DUMPS.len() {
        let (dir, path) = data(schema);
        let before = all_of(&path);
        let store = Store::open(&path).unwrap();
        assert_eq!(version(&path), ours);
        assert_whole(&store, schema).await;

        let copy = format!("cagent.db.before-schema-{ours}");
        assert_eq!(copies(&dir), [&*copy]);
        let copy = dir.path().join(copy);
        assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(version(&copy) as usize, schema);
        assert_eq!(all_of(&copy), before);
        drop(store);
        fs::remove_file(copy).unwrap();
        drop(Store::open(&path).unwrap());
        assert!(copies(&dir).is_empty(), "what is ours already is not copied");
    }
}

async fn assert_whole(store: &Store, schema: usize) {
    let jobs = store.jobs(JobFilter::default()).await.unwrap();
    let statuses: Vec<_> = jobs.iter().rev().map(|job| job.status).collect();
    use JobStatus::{Complete, Error, Packaging, Running, Scheduled};
    assert_eq!(statuses, [Complete, Error, Packaging, Running, Scheduled], "schema {schema}");
    for job in &jobs {
        let record = store.job(job.id).await.unwrap();
        assert!(record.spec.prompt.contains("echo hi"), "{record:?}");
        assert_eq!((record.status, &record.spec.title), (job.status, &job.title));
        let events = store.events(job.id, 0, 1000).await.unwrap();
        assert_eq!(events.len() as u64, record.last_seq);
        assert!(events.iter().zip(1..).all(|(event, seq)| event.seq == seq), "{events:?}");
        assert!(matches!(events[0].event, EventKind::Scheduled { .. }));
    }
    let done = store.job(jobs[4].id).await.unwrap();
    assert_eq!(done.zip_bytes, Some(321));
    assert_eq!(done.result.is_some(), schema >= 3);
    assert_eq!(store.job(jobs[3].id).await.unwrap().kept, schema >= 5);
    assert_eq!(store.next_message().await.unwrap(), None);
    assert_can_go_on(store, jobs[1].id).await;
    let request = RequestKey { key: "key-80".into(), fingerprint: [5; 32] };
    let known = store.request(request).await.unwrap();
    assert_eq!(known, (schema >= 2).then_some(Inserted::Before(jobs[0].id)));
    assert_eq!(store.keys().await.unwrap().len(), usize::from(schema >= 4));
}

/// The session of a job that runs is what it was, and its log goes on.
async fn assert_can_go_on(store: &Store, job: types::JobId) {
    let last = store.job(job).await.unwrap().last_seq;
    let change = |draft: &mut store::Draft| {
        draft.append(draft.state.created, EventKind::Packaging);
        draft.state.session.clone()
    };
    let session = store.update(job, Durability::Full, change).await.unwrap();
    assert_eq!((session.key_hash, session.acked, session.open_step), (Some([9; 32]), 11, Some(2)));
    assert_eq!(session.checkpoint.unwrap()["state"]["next"], 2);
    assert_eq!(store.job(job).await.unwrap().last_seq, last + 1);
}

/// Also where it fails only in its last part.
#[tokio::test]
async fn a_migration_that_fails_leaves_the_store_as_it_was() {
    for schema in 1..=DUMPS.len() {
        let (dir, path) = data(schema);
        // What the newest migration makes is there already.
        Connection::open(&path)
            .unwrap()
            .execute_batch("CREATE TABLE outbox (job TEXT, what TEXT)")
            .unwrap();
        let before = all_of(&path);
        let error = Store::open(&path).unwrap_err();
        assert!(matches!(error, StoreError::NotMigrated { .. }), "{error}");
        let copy = dir.path().join(&copies(&dir)[0]);
        let said = error.to_string();
        assert!(
            said.contains("the version before can be started")
                && said.contains(copy.to_str().unwrap()),
            "{said}"
        );
        assert_eq!((version(&path) as usize, all_of(&path)), (schema, before.clone()));
        assert_eq!((version(&copy) as usize, all_of(&copy)), (schema, before));
    }
}

#[tokio::test]
async fn the_last_two_copies_are_kept() {
    let (dir, path) = data(4);
    for old in [2, 3, 4] {
        fs::write(dir.path().join(format!("cagent.db.before-schema-{old}")), "").unwrap();
    }
    drop(Store::open(&path).unwrap());
    assert_eq!(
        copies(&dir),
        ["cagent.db.before-schema-4", &format!("cagent.db.before-schema-{}", ours())]
    );
}

#[test]
fn a_store_of_a_newer_version_is_not_touched() {
    let (dir, path) = data(4);
    let db = Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 999).unwrap();
    // What it wrote last is in its log, as a crash leaves it.
    let wal = dir.path().join("cagent.db-wal");
    let before = (fs::read(&path).unwrap(), fs::read(&wal).unwrap());
    let error = Store::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::TooNew { found: 999, .. }), "{error}");
    assert_eq!((fs::read(&path).unwrap(), fs::read(&wal).unwrap()), before);
    assert!(copies(&dir).is_empty());
    drop(db);
}

#[tokio::test]
async fn a_copy_is_of_one_moment_and_can_be_put_in_order() {
    let (dir, path) = data(4);
    let store = Store::open(&path).unwrap();
    let jobs = store.jobs(JobFilter::default()).await.unwrap();
    let (scheduled, running) = (jobs[0].id, jobs[1].id);
    let write = |store: Store| async move {
        for _ in 0..200 {
            let change =
                |draft: &mut store::Draft| draft.append(draft.state.created, EventKind::Packaging);
            store.update(running, Durability::Grouped, change).await.unwrap();
        }
    };
    let writing = tokio::spawn(write(store.clone()));
    let (from, to) = (path.clone(), dir.path().join("copy.db"));
    let copy = tokio::task::spawn_blocking(move || Copy::make(&from, &to)).await.unwrap().unwrap();
    writing.await.unwrap();

    let copied = copy.jobs().unwrap();
    let [done, .., last] = &*copied else { panic!("{copied:?}") };
    assert_eq!((copied.len(), done.zip_bytes, done.stdout_bytes), (5, Some(321), 3));
    assert_eq!((last.id, last.status), (scheduled, JobStatus::Scheduled));
    assert!(copy.is_still(last).unwrap());
    let begin = |draft: &mut store::Draft| draft.state.status = JobStatus::Starting;
    store.update(scheduled, Durability::Full, begin).await.unwrap();
    assert!(!copy.is_still(last).unwrap());
    copy.interrupt(scheduled).unwrap();
    copy.forget(done.id).unwrap();
    drop(copy);

    let path = dir.path().join("copy.db");
    assert_eq!(store::check(&path).unwrap().len(), 4);
    let copy = Store::open(&path).unwrap();
    assert_eq!(copy.job(scheduled).await.unwrap().status, JobStatus::Running);
    assert!(matches!(copy.job(done.id).await, Err(StoreError::NotFound(_))));
    assert!(copy.events(done.id, 0, 10).await.unwrap().is_empty());
    let events = copy.events(running, 0, 1000).await.unwrap();
    assert_eq!(events.len() as u64, copy.job(running).await.unwrap().last_seq);
}

#[test]
fn a_damaged_store_is_noticed() {
    let (dir, path) = data(4);
    let to = dir.path().join("copy.db");
    drop(Copy::make(&path, &to).unwrap());
    let mut bytes = fs::read(&to).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4096].fill(0xff);
    fs::write(&to, bytes).unwrap();
    assert!(store::check(&to).is_err());
}
