//! Jobs that go on after one that broke off.

use engine::{Engine as _, SandboxState};
use jobs::{ForgetError, JobError, ResumeError};
use protocol::{Checkpoint, ReportKind, Verdict};
use store::{Draft, Durability, Store};
use tempfile::TempDir;
use types::{Ending, EventKind, JobId, JobStatus, Reason, StepOutcome};

use crate::support::{Agent, Doing, Setup, config, fail, obey_later, open, started, succeed};

/// Breaks off in its first step; goes on with that one if it is resumed.
fn break_off(mut agent: Agent) -> Doing {
    Box::pin(async move {
        if let Some(checkpoint) = agent.checkpoint.take() {
            assert_eq!(checkpoint.node, "step");
            let last = agent.resumes.unwrap().step.unwrap();
            assert_eq!((last.step, last.outcome), (1, StepOutcome::Interrupted));
            return succeed(agent).await;
        }
        let (node, state) = ("step".into(), serde_json::json!({ "step": 1 }));
        agent.say(ReportKind::Checkpoint(Checkpoint { node, state })).await;
        agent.step(1).await;
        7
    })
}

/// A job that broke off, and left a file.
async fn broken(setup: &Setup) -> JobId {
    let job = setup.schedule().await;
    let (record, _) = setup.end(job).await;
    assert_eq!(record.ending.as_ref().map(|ending| ending.reason), Some(Reason::SandboxLost));
    assert!(record.kept, "{record:#?}");
    let workspace = setup.engine.workspace(job).await.unwrap();
    std::fs::write(workspace.path().join("kept"), "1").unwrap();
    job
}

fn notices(events: &[types::Event]) -> Vec<&str> {
    let text = |event: &'_ types::Event| matches!(event.event, EventKind::Notice { .. });
    let all = events.iter().filter(|event| text(event));
    all.filter_map(|event| match &event.event {
        EventKind::Notice { text, .. } => Some(&**text),
        _ => None,
    })
    .collect()
}

#[tokio::test]
async fn it_goes_on_in_the_workspace_from_the_checkpoint() {
    let setup = Setup::new(break_off, 1).await;
    let old = broken(&setup).await;
    let new = setup.jobs.resume(old).await.unwrap();
    let (record, events) = setup.end(new).await;
    assert_eq!(record.status, JobStatus::Complete, "{record:#?}");
    assert_eq!(record.spec.resumes.map(|resumes| resumes.job), Some(old));
    let told = notices(&events);
    let wanted =
        format!("goes on after job {old}, at step 1, which was interrupted and runs again");
    assert_eq!(told, [wanted]);
    let zip = std::fs::File::open(setup.jobs.zip_path(new)).unwrap();
    assert!(
        zip::ZipArchive::new(zip).unwrap().by_name("kept").is_ok(),
        "the workspace is the old one"
    );
    let record = setup.jobs.get(old).await.unwrap();
    assert!(!record.kept && record.status == JobStatus::Error, "its end stays what it was");
    assert_eq!(setup.sandboxes().await, 0);
}

#[tokio::test]
async fn whoever_asks_again_gets_the_same_job() {
    let setup = Setup::new(break_off, 1).await;
    let old = broken(&setup).await;
    assert_eq!(setup.jobs.resumed_by(old).await.unwrap(), None);
    let asked = (0..8).map(|_| setup.jobs.resume(old));
    let all = futures_of(asked).await;
    assert!(all.iter().all(|job| *job == all[0]), "{all:?}");
    assert_eq!(setup.jobs.resumed_by(old).await.unwrap(), Some(all[0]));
    setup.end(all[0]).await;
    assert_eq!(setup.jobs.resume(old).await.unwrap(), all[0], "also when it is over");
    assert_eq!(setup.list().await.len(), 2);
}

async fn futures_of<F: Future<Output = Result<JobId, ResumeError>>>(
    all: impl Iterator<Item = F>,
) -> Vec<JobId> {
    let mut jobs = vec![];
    for one in all {
        jobs.push(one.await.unwrap());
    }
    jobs
}

#[tokio::test]
async fn it_goes_on_under_the_next_orchestrator() {
    let setup = Setup::new(break_off, 1).await;
    let old = broken(&setup).await;
    let setup = setup.restart(config(0)).await;
    let setup = setup.restart(config(1)).await;
    assert_eq!(setup.sandboxes().await, 1, "no orphan");
    let new = setup.jobs.resume(old).await.unwrap();
    assert_eq!(setup.end(new).await.0.status, JobStatus::Complete);
    assert_eq!(setup.sandboxes().await, 0);
}

#[tokio::test]
async fn one_that_never_began_leaves_the_workspace_to_the_next() {
    let setup = Setup::new(break_off, 1).await;
    let old = broken(&setup).await;
    // Nobody is there who would begin it.
    let setup = setup.restart(config(0)).await;
    let first = setup.jobs.resume(old).await.unwrap();
    setup.jobs.cancel(first).await.unwrap();
    assert_eq!(setup.end(first).await.0.status, JobStatus::Cancelled);
    let setup = setup.restart(config(1)).await;
    assert!(setup.jobs.get(old).await.unwrap().kept);
    let second = setup.jobs.resume(old).await.unwrap();
    assert_ne!(first, second);
    assert_eq!(setup.end(second).await.0.status, JobStatus::Complete);
}

#[tokio::test]
async fn what_did_not_break_off_is_not_resumed() {
    let setup = Setup::new(fail, 1).await;
    let nobody = setup.jobs.resume(JobId::generate()).await;
    assert!(matches!(nobody, Err(ResumeError::Job(JobError::NotFound(_)))), "{nobody:?}");
    let job = setup.schedule().await;
    setup.end(job).await;
    let refused = setup.jobs.resume(job).await;
    assert!(matches!(refused, Err(ResumeError::Ended(_))), "{refused:?}");
    assert_eq!(setup.sandboxes().await, 0, "nothing of it is kept");

    let setup = Setup::new(obey_later, 1).await;
    let job = setup.schedule().await;
    setup.until(job, started).await;
    let refused = setup.jobs.resume(job).await;
    assert!(matches!(refused, Err(ResumeError::NotOver(JobStatus::Running))), "{refused:?}");
    setup.jobs.cancel(job).await.unwrap();
    setup.end(job).await;
}

/// Its engine said nothing sensible of it for so long that it was given up, and then does.
#[tokio::test]
async fn one_that_was_given_up_while_it_ran_is_stopped_before_its_workspace_is_kept() {
    let setup = Setup::new(obey_later, 1).await;
    let job = setup.schedule().await;
    setup.until(job, started).await;
    setup.jobs.stop().await;
    let Setup { home, engine, jobs } = setup;
    drop(jobs);
    give_up(&home, job).await;
    let jobs = open(&home, &engine, 1).await.unwrap();
    let setup = Setup { home, engine, jobs };
    let (record, _) = setup.end(job).await;
    assert!(record.kept, "{record:#?}");
    assert_eq!(setup.engine.list().await.unwrap(), [(job, SandboxState::Ended)]);
}

async fn give_up(home: &TempDir, job: JobId) {
    let store = Store::open(&home.path().join("data/cagent.db")).unwrap();
    let give_up = |draft: &mut Draft| {
        draft.state.status = JobStatus::Packaging;
        draft.state.ending = Some(Ending::error(Reason::Interrupted, "its engine was away"));
        draft.append(draft.now, EventKind::Packaging);
    };
    store.update(job, Durability::Full, give_up).await.unwrap();
}

#[tokio::test]
async fn a_forgotten_job_leaves_no_workspace() {
    let setup = Setup::new(break_off, 1).await;
    let old = broken(&setup).await;
    setup.jobs.forget(old).await.unwrap();
    assert_eq!(setup.sandboxes().await, 0);
}

#[tokio::test]
async fn a_workspace_that_a_job_is_to_go_on_in_is_not_given_up() {
    let setup = Setup::new(break_off, 1).await;
    let old = broken(&setup).await;
    let setup = setup.restart(config(0)).await;
    let new = setup.jobs.resume(old).await.unwrap();
    let refused = setup.jobs.forget(old).await;
    assert!(matches!(refused, Err(ForgetError::Claimed(by)) if by == new), "{refused:?}");
    let setup = setup.restart(config(1)).await;
    assert_eq!(setup.end(new).await.0.status, JobStatus::Complete);
    setup.jobs.forget(old).await.unwrap();
}

#[tokio::test]
async fn a_job_that_finished_while_nobody_looked_is_not_kept() {
    let setup = Setup::new(|agent| Box::pin(agent.finish(Verdict::Complete)), 1).await;
    let job = setup.schedule().await;
    assert!(!setup.end(job).await.0.kept);
    assert_eq!(setup.sandboxes().await, 0);
}

#[tokio::test]
async fn a_workspace_that_is_gone_all_the_same_is_told() {
    let setup = Setup::new(break_off, 1).await;
    let old = broken(&setup).await;
    setup.engine.remove(old).await.unwrap();
    let new = setup.jobs.resume(old).await.unwrap();
    let (record, _) = setup.end(new).await;
    let ending = record.ending.unwrap();
    assert_eq!(ending.reason, Reason::SandboxFailed);
    assert!(ending.error.unwrap().contains("is gone; give the job again"));
}
