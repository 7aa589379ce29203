//! Sandboxes and those who come and go around them.

use std::fs;
use std::time::Instant;

use engine::{Engine, SandboxEnd, SandboxState};
use engine_docker::DockerConfig;
use testkit::docker::Daemon;
use types::Limits;

use crate::bed::{Bed, IDLE};

#[tokio::test]
async fn the_next_orchestrator_goes_on_with_a_sandbox() {
    let tcp = Daemon::usual_by_tcp();
    for bed in [Bed::idle(), Bed::with(IDLE, &tcp, |_| {})] {
        let job = bed.start(Limits::default()).await;
        let created = bed.create(Limits::default()).await;
        let bed = bed.again();
        let mut all = bed.engine.list().await.unwrap();
        all.sort_by_key(|(job, _)| *job);
        assert_eq!(all, [(job, SandboxState::Running), (created, SandboxState::Created)]);
        bed.engine.stop(job).await.unwrap();
        assert_eq!(bed.wait(job).await.end, SandboxEnd::Stopped);
        let bed = bed.again();
        assert_eq!(bed.wait(job).await.end, SandboxEnd::Stopped, "it is written down");
        bed.engine.workspace(job).await.unwrap();
        for job in [job, created] {
            bed.engine.remove(job).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_data_directory_may_have_a_long_path() {
    let long = |config: &mut DockerConfig| config.home = config.home.with_file_name("h".repeat(99));
    let bed = Bed::with("", &Daemon::usual(), long);
    assert!(bed.engine.way().await.unwrap().starts_with("by directories"));
    assert_eq!(bed.run(Limits::default()).await.0.end, SandboxEnd::Exited { code: 0 });
}

#[tokio::test]
async fn what_is_overdue_is_ended_by_the_next_orchestrator() {
    let bed = Bed::idle();
    let job = bed.start(Limits { wall_seconds: 1, ..Limits::default() }).await;
    let begun = Instant::now();
    let bed = bed.again();
    bed.engine.list().await.unwrap();
    assert_eq!(bed.wait(job).await.end, SandboxEnd::WallTime);
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    bed.engine.remove(job).await.unwrap();
}

#[tokio::test]
async fn one_that_somebody_kills_or_removes_ends() {
    let bed = Bed::idle();
    let killed = bed.start(Limits::default()).await;
    bed.daemon.ask(&["kill", &bed.name(killed)]);
    assert_eq!(bed.wait(killed).await.end, SandboxEnd::Exited { code: 137 });
    let removed = bed.start(Limits::default()).await;
    bed.daemon.ask(&["rm", "-f", &bed.name(removed)]);
    let ended = bed.wait(removed).await.end;
    assert!(matches!(ended, SandboxEnd::Lost | SandboxEnd::Exited { code: 137 }), "{ended:?}");
    let gone = bed.start(Limits::default()).await;
    let name = bed.name(gone);
    let bed = bed.again();
    bed.daemon.ask(&["rm", "-f", &name]);
    assert!(bed.engine.list().await.unwrap().contains(&(gone, SandboxState::Ended)));
    assert_eq!(bed.wait(gone).await.end, SandboxEnd::Lost);
    bed.engine.workspace(gone).await.expect("its files are ours");
    for job in [killed, removed, gone] {
        bed.engine.remove(job).await.unwrap();
        assert!(!bed.engine.gateway_dir(job).exists());
    }
}

/// Has a job copy a file.
pub(crate) const COPY: &str = "sys.exit(as_command('''
import os
text = open('/workspace/d/in').read()
os.makedirs('/workspace/out', exist_ok=True)
open('/workspace/out/copy', 'w').write(text)
os.symlink('/etc/passwd', '/workspace/link')
'''))";

#[tokio::test]
async fn files_come_and_go() {
    let tcp = Daemon::usual_by_tcp();
    for bed in [Bed::new(COPY), Bed::with(COPY, &tcp, |_| {})] {
        files_go_in_and_come_back(&bed).await;
    }
}

/// With [`COPY`] in place of agentd.
pub(crate) async fn files_go_in_and_come_back(bed: &Bed) {
    let job = bed.create(Limits::default()).await;
    let workspace = bed.engine.workspace(job).await.unwrap();
    fs::create_dir(workspace.path().join("d")).unwrap();
    fs::write(workspace.path().join("d/in"), "hello").unwrap();
    for path in ["d", "d/in"] {
        std::os::unix::fs::chown(workspace.path().join(path), Some(1000), Some(1000)).unwrap();
    }
    bed.engine.start(job).await.unwrap();
    let ended = bed.wait(job).await;
    assert_eq!(ended.end, SandboxEnd::Exited { code: 0 }, "{}", bed.log(job));
    let workspace = bed.engine.workspace(job).await.unwrap();
    assert!(!workspace.is_copy());
    let read = fs::read_to_string(workspace.path().join("out/copy"));
    assert_eq!(read.unwrap(), "hello", "{}", bed.log(job));
    assert!(workspace.path().join("link").is_symlink());
    bed.engine.remove(job).await.unwrap();
}

#[tokio::test]
async fn our_programs_come_back_if_somebody_removes_them() {
    let bed = Bed::idle();
    bed.engine.report().await.unwrap();
    let label = format!("label=cagent.owner={}", bed.owner());
    let [volume] = &bed.daemon.ask(&["volume", "ls", "-q", "--filter", &label])[..] else {
        panic!()
    };
    bed.daemon.ask(&["volume", "rm", volume]);
    let job = bed.start(Limits::default()).await;
    bed.engine.remove(job).await.unwrap();
}

/// By that an agent that goes on, though its daemon has forgotten it, knows that nobody wants it.
#[tokio::test]
async fn a_kept_workspace_has_no_gateway() {
    let bed = Bed::idle();
    let job = bed.start(Limits::default()).await;
    bed.engine.stop(job).await.unwrap();
    bed.wait(job).await;
    bed.engine.keep(job).await.unwrap();
    assert!(!bed.engine.gateway_dir(job).exists());
    assert!(bed.engine.workspace(job).await.unwrap().path().is_dir());
    bed.engine.remove(job).await.unwrap();
}
