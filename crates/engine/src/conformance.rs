//! What every engine must do. Each engine's tests call [`suite`]; it panics at the first difference.
//!
//! The suite opens no gateway: agentd must wait for one, so a started sandbox stays up until it is
//! stopped or its wall time is over.

use std::time::Duration;

use types::{JobId, Limits};

use crate::{Engine, EngineError, SandboxEnd, SandboxSpec, SandboxState};

/// Far above what any call may take; reaching it means that something hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs every case against this engine, one after the other.
///
/// # Panics
/// When the engine behaves differently.
pub async fn suite(engine: &dyn Engine) {
    engine.report().await.expect("the engine reports what it can do");
    engine.ready().await.expect("the engine is ready");
    a_sandbox_lives_and_leaves_nothing(engine).await;
    wall_time_ends_it(engine).await;
    a_second_sandbox_of_one_job_is_refused(engine).await;
    an_unknown_job_is_told_so(engine).await;
    one_that_never_started_can_be_removed(engine).await;
    removing_a_running_one_stops_it(engine).await;
    a_workspace_is_adopted(engine).await;
}

async fn a_sandbox_lives_and_leaves_nothing(engine: &dyn Engine) {
    let spec = spec(3600);
    engine.create(&spec).await.expect("create");
    assert_eq!(state(engine, spec.job).await, Some(SandboxState::Created));
    let workspace = engine.workspace(spec.job).await.expect("a created sandbox has a workspace");
    std::fs::write(workspace.path().join("kept"), "1").expect("a workspace can be written");
    drop(workspace);
    assert!(engine.gateway_dir(spec.job).is_dir(), "a created sandbox has a gateway directory");

    engine.start(spec.job).await.expect("start");
    assert_eq!(state(engine, spec.job).await, Some(SandboxState::Running));
    engine.stats(spec.job).await.expect("stats of a running sandbox");

    engine.stop(spec.job).await.expect("stop");
    let ended = in_time(engine.wait(spec.job)).await.expect("wait");
    assert_eq!(ended.end, SandboxEnd::Stopped);
    assert_eq!(state(engine, spec.job).await, Some(SandboxState::Ended));
    let workspace = engine.workspace(spec.job).await.expect("an ended sandbox has a workspace");
    let kept = std::fs::read(workspace.path().join("kept"));
    assert_eq!(kept.expect("it is the same one"), b"1");
    drop(workspace);
    engine.stop(spec.job).await.expect("a second stop is no error");
    assert_eq!(
        in_time(engine.wait(spec.job)).await.expect("a second wait").end,
        SandboxEnd::Stopped
    );

    engine.remove(spec.job).await.expect("remove");
    assert_eq!(state(engine, spec.job).await, None);
    let gone = engine.workspace(spec.job).await;
    assert!(matches!(gone, Err(EngineError::NotFound(_))), "a removed sandbox has no workspace");
    assert!(!engine.gateway_dir(spec.job).exists(), "a removed sandbox has no gateway directory");
    engine.remove(spec.job).await.expect("a second remove is no error");
}

async fn wall_time_ends_it(engine: &dyn Engine) {
    let spec = spec(1);
    engine.create(&spec).await.expect("create");
    engine.start(spec.job).await.expect("start");
    let ended = in_time(engine.wait(spec.job)).await.expect("wait");
    assert_eq!(ended.end, SandboxEnd::WallTime);
    engine.remove(spec.job).await.expect("remove");
}

async fn a_second_sandbox_of_one_job_is_refused(engine: &dyn Engine) {
    let spec = spec(3600);
    engine.create(&spec).await.expect("create");
    let again = engine.create(&spec).await;
    assert!(matches!(again, Err(EngineError::Exists(job)) if job == spec.job), "{again:?}");
    engine.remove(spec.job).await.expect("remove");
}

async fn an_unknown_job_is_told_so(engine: &dyn Engine) {
    let job = JobId::generate();
    let not_found =
        |r: Result<(), EngineError>| matches!(r, Err(EngineError::NotFound(j)) if j == job);
    assert!(not_found(engine.start(job).await), "start");
    assert!(not_found(engine.stop(job).await), "stop");
    assert!(not_found(engine.wait(job).await.map(drop)), "wait");
    assert!(not_found(engine.stats(job).await.map(drop)), "stats");
    engine.remove(job).await.expect("removing what is not there is no error");
}

async fn one_that_never_started_can_be_removed(engine: &dyn Engine) {
    let spec = spec(3600);
    engine.create(&spec).await.expect("create");
    engine.remove(spec.job).await.expect("remove");
    assert_eq!(state(engine, spec.job).await, None);
}

async fn removing_a_running_one_stops_it(engine: &dyn Engine) {
    let spec = spec(3600);
    engine.create(&spec).await.expect("create");
    engine.start(spec.job).await.expect("start");
    in_time(engine.remove(spec.job)).await.expect("remove");
    assert_eq!(state(engine, spec.job).await, None);
    assert!(engine.workspace(spec.job).await.is_err());
}

async fn a_workspace_is_adopted(engine: &dyn Engine) {
    let (old, new) = (spec(3600), spec(3600));
    let nothing = engine.adopt(old.job, &new).await;
    assert!(matches!(nothing, Err(EngineError::NotFound(job)) if job == old.job), "{nothing:?}");
    assert_eq!(state(engine, new.job).await, None, "a failure leaves nothing");

    engine.create(&old).await.expect("create");
    let workspace = engine.workspace(old.job).await.expect("its workspace");
    std::fs::write(workspace.path().join("kept"), "1").expect("it can be written");
    drop(workspace);
    engine.start(old.job).await.expect("start");
    engine.stop(old.job).await.expect("stop");
    in_time(engine.wait(old.job)).await.expect("wait");
    engine.keep(old.job).await.expect("an ended sandbox has a workspace to keep");
    assert_eq!(state(engine, old.job).await, Some(SandboxState::Ended));
    engine.workspace(old.job).await.expect("what is kept can be looked at");

    for _ in 0..2 {
        engine.adopt(old.job, &new).await.expect("adopt, and once more after a crash");
        assert_eq!(state(engine, old.job).await, None);
        assert_eq!(state(engine, new.job).await, Some(SandboxState::Created));
        assert!(engine.gateway_dir(new.job).is_dir(), "it has a gateway directory");
        holds_kept(engine, new.job).await;
        engine.start(new.job).await.expect("start");
        assert_eq!(state(engine, new.job).await, Some(SandboxState::Running));
    }
    engine.stop(new.job).await.expect("stop");
    in_time(engine.wait(new.job)).await.expect("wait");
    holds_kept(engine, new.job).await;
    engine.remove(new.job).await.expect("remove");
    engine.remove(old.job).await.expect("nothing is left of it");
    assert_eq!(state(engine, new.job).await, None);
}

async fn holds_kept(engine: &dyn Engine, job: JobId) {
    let workspace = engine.workspace(job).await.expect("its workspace");
    let kept = std::fs::read(workspace.path().join("kept"));
    assert_eq!(kept.expect("it is the same one"), b"1");
}

fn spec(wall_seconds: u32) -> SandboxSpec {
    let limits = Limits { wall_seconds, ..Limits::default() };
    SandboxSpec { job: JobId::generate(), limits, image: None }
}

async fn state(engine: &dyn Engine, job: JobId) -> Option<SandboxState> {
    let all = engine.list().await.expect("list");
    all.into_iter().find(|(id, _)| *id == job).map(|(_, state)| state)
}

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("the engine answers in time")
}
