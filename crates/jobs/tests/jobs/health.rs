//! Whether the service works, as it says itself.

use std::time::{Duration, Instant};

use jobs::Check;
use rusqlite::Connection;

use crate::support::{Setup, succeed};

/// A store that hangs is not waited for: who asks wants to know just that.
#[tokio::test]
async fn a_store_that_takes_nothing_is_told_and_comes_back() {
    let setup = Setup::new(succeed, 1).await;
    assert_eq!(problem(&setup, "store").await, None);
    let store = setup.home.path().join("data/cagent.db");
    let somebody = Connection::open(store).unwrap();
    somebody.execute_batch("BEGIN IMMEDIATE").unwrap();
    let began = Instant::now();
    // Not before what was tried last is old.
    while problem(&setup, "store").await.is_none() {
        assert!(began.elapsed() < Duration::from_secs(4), "it is well though nobody can write");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    drop(somebody);
    let began = Instant::now();
    while problem(&setup, "store").await.is_some() {
        assert!(began.elapsed() < crate::support::PATIENCE);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What is written to find that out changes nothing.
#[tokio::test]
async fn asking_leaves_no_trace() {
    let setup = Setup::new(succeed, 1).await;
    let dump = || {
        let db = Connection::open(setup.home.path().join("data/cagent.db")).unwrap();
        let version: u32 = db.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        let rows: u32 = db.query_row("SELECT count(*) FROM jobs", [], |row| row.get(0)).unwrap();
        (version, rows)
    };
    let before = dump();
    assert!(before.0 > 0);
    assert_eq!(problem(&setup, "store").await, None);
    assert_eq!(dump(), before);
}

async fn problem(setup: &Setup, name: &str) -> Option<String> {
    let checks = setup.jobs.readiness().await;
    let check = checks.into_iter().find(|check| check.name == name).unwrap();
    let Check { problem, .. } = check;
    problem
}
