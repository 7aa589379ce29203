//! What `cagent doctor` would say here.

use engine_local::probe::{Finding, Level, probe};

use crate::bed::{Bed, is_root, needs};

async fn findings(bed: &Bed) -> Vec<Finding> {
    probe(&bed.config).await
}

fn level(all: &[Finding], what: &str) -> Level {
    let found = all.iter().find(|finding| finding.what == what);
    found.unwrap_or_else(|| panic!("nothing on {what}: {all:?}")).level
}

#[tokio::test]
async fn tells_what_holds_and_leaves_nothing() {
    needs("/usr/bin/git");
    let bed = Bed::new("");
    let all = findings(&bed).await;
    for what in ["kernel", "sandbox", "limit: processes", "bash", "python3", "git"] {
        assert_eq!(level(&all, what), Level::Ok, "{what}: {all:?}");
    }
    let by_rights = if is_root() { Level::Ok } else { Level::Degraded };
    for what in ["users", "limit: memory", "limit: cpu"] {
        assert_eq!(level(&all, what), by_rights, "{what}: {all:?}");
    }
    assert!(all.iter().all(|f| (f.level == Level::Ok) == f.cure.is_none()), "{all:?}");
    assert_eq!(std::fs::read_dir(&bed.config.home).unwrap().count(), 0);
}

#[tokio::test]
async fn tells_why_no_sandbox_can_be_made() {
    let mut bed = Bed::new("");
    bed.config.helper = "/usr/bin/false".into();
    assert_eq!(level(&findings(&bed).await, "sandbox"), Level::Missing);
}
