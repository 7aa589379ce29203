//! What a model claims when it is done, and whether it is believed.

use serde_json::{Value, json};
use testkit::scripted::{Provider, Reply};
use types::{JobStatus, Reason};

use crate::support::{Ended, Model, SHORT, finish, shell};

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
