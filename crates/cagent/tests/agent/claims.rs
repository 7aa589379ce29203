//! What a model claims when it is done, and whether it is believed.

use serde_json::{Value, json};
use testkit::scripted::{Provider, Reply};
use types::{JobStatus, Reason};

use crate::support::{Ended, Model, SHORT, finish, run_with, shell};

const ONE: &[Provider] = &[Provider::Gemini];

#[tokio::test]
async fn a_claim_that_does_not_hold_may_be_made_three_times() {
    let lie = finish(&["report.txt"], "grep -q done report.txt");
    let model = Model::says([shell("echo kept > kept.txt"), lie.clone(), lie.clone(), lie]).await;
    let ended = model.runs(ONE, SHORT).await;
    ended.assert_error(Reason::ChecksFailed, "report.txt is there (there is no such file)");
    assert_eq!(ended.text("kept.txt"), "kept\n");
    assert_eq!(ended.job.verified, Some(false));
    let found: Vec<bool> = ended.job.checks.as_ref().unwrap().iter().map(|c| c.passed).collect();
    assert_eq!(found, [false, false], "{:#?}", ended.job.checks);
    assert_eq!(ended.manifest()["job"]["agent"]["verified"], false);
    let told = &model.requests()[2];
    assert!(told.last().contains("not accepted"), "{}", told.last());
}

#[tokio::test]
async fn a_claim_that_holds_at_last_is_believed() {
    let claim = finish(&["report.txt"], "grep -q done report.txt");
    let write = json!({ "path": "report.txt", "content": "done\n" });
    let model = Model::says([claim.clone(), Reply::call("write_file", write), claim]).await;
    let ended = model.runs(ONE, SHORT).await;
    ended.assert_verified();
    assert_eq!(ended.job.artifacts.as_deref(), Some(&["report.txt".to_owned()][..]));
}

/// What is claimed is what is packed: nothing that is left out of the ZIP counts, and the model is
/// told why.
#[tokio::test]
async fn what_is_not_delivered_does_not_count() {
    let make = "mkdir -p node_modules/x real closed empty && echo 1 > node_modules/x/i.js &&
        echo 1 > real/report && echo 1 > closed/report && chmod 700 closed &&
        ln -s real latest && ln -s real/report link && mkfifo pipe";
    let claimed = ["node_modules/x/i.js", "latest/report", "link", "pipe", "empty", ".CAGENT"];
    let kept = ["real/report", "real", "closed", "closed/report"];
    let end = finish(&kept, "");
    let model = Model::says([shell(make), finish(&claimed, ""), end]).await;
    let ended = model.runs(ONE, SHORT).await;
    ended.assert_verified();
    let told = model.requests()[2].last();
    for why in [
        "`node_modules` is a cache",
        "`latest` is a symbolic link to real;",
        "`link` is a symbolic link to real/report;",
        "`pipe` is neither a file nor a directory",
        "a directory with no file in it",
        "`.CAGENT` is a reserved name",
    ] {
        assert!(told.contains(why), "{why}: {told}");
    }
    for name in ["real/report", "closed/report"] {
        assert_eq!(ended.text(name), "1\n");
    }
    assert!(claimed.iter().all(|name| !ended.files.contains_key(*name)), "and it is so");
}

#[tokio::test]
async fn caches_count_if_they_are_delivered() {
    let make = "mkdir -p node_modules/x && echo 1 > node_modules/x/i.js";
    let model = Model::says([shell(make), finish(&["node_modules/x/i.js"], "")]).await;
    let server = model.asked_by(ONE).start().await;
    let ended = run_with(&server, SHORT, json!({ "include_caches": true })).await;
    ended.assert_verified();
    assert_eq!(ended.text("node_modules/x/i.js"), "1\n");
}

#[tokio::test]
async fn nothing_to_check_is_complete_and_not_verified() {
    for check in ["", "true", "echo it works", "pytest || true"] {
        let ended = Model::says([finish(&[], check)]).await.runs(ONE, "Say hello").await;
        ended.assert_complete();
        assert_eq!(ended.job.verified, Some(false), "{check:?}");
        assert_eq!(ended.job.summary.as_deref(), Some("Did it."));
    }
}

impl Ended {
    /// It failed for this reason, with these words in its error, and was packed.
    pub(crate) fn assert_error(&self, reason: Reason, words: &str) {
        let job = &self.job;
        assert_eq!((job.status, job.reason), (JobStatus::Error, Some(reason)), "{job:#?}");
        assert!(job.error.as_ref().unwrap().contains(words), "{job:#?}");
        assert_eq!(self.manifest()["job"]["result"]["status"], "error");
    }

    fn manifest(&self) -> Value {
        serde_json::from_str(&self.text(".cagent/manifest.json")).unwrap()
    }
}
