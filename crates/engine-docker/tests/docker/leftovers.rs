//! What a crash leaves is found and removed, and nothing else.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use engine::{Engine, EngineError, SandboxEnd, SandboxSpec, SandboxState};
use futures_util::FutureExt as _;
use testkit::docker::{Daemon, IMAGE};
use types::{JobId, Limits};

use crate::bed::{Bed, IDLE, PATIENCE, until};

/// What a daemon is told to make a container that is never started.
fn make(bed: &Bed, name: &str, more: &[&str]) {
    let owner = format!("cagent.owner={}", bed.owner());
    let begin = ["create", "--name", name, "--label", &owner];
    bed.daemon.ask(&[&begin, more, &[IMAGE, "/never"]].concat());
}

fn leaves_nothing(bed: &Bed) {
    assert_eq!(bed.daemon.left_of(&bed.owner()), Vec::<String>::new());
}

#[tokio::test]
async fn a_crash_while_a_volume_is_filled() {
    let bed = Bed::with(IDLE, &Daemon::usual_by_tcp(), |_| {});
    let job = bed.create(Limits::default()).await;
    let name = bed.name(job);
    let of = ["--label", &format!("cagent.job={job}"), "--volume", &format!("{name}:/workspace")];
    make(&bed, &format!("{name}-filler"), &of);
    let bed = bed.again();
    assert_eq!(bed.engine.list().await.unwrap(), [(job, SandboxState::Created)]);
    bed.engine.remove(job).await.unwrap();
    leaves_nothing(&bed);
}

#[tokio::test]
async fn what_a_dead_server_ordered_comes_late_and_hits_no_later_sandbox() {
    for bed in [Bed::idle(), Bed::with(IDLE, &Daemon::usual_by_tcp(), |_| {})] {
        let spec = SandboxSpec { job: JobId::generate(), limits: Limits::default(), image: None };
        bed.engine.create(&spec).await.unwrap();
        let first = bed.name(spec.job);
        bed.engine.remove(spec.job).await.unwrap();
        bed.engine.create(&spec).await.unwrap();
        bed.engine.start(spec.job).await.unwrap();
        let second = bed.name(spec.job);
        let bed = bed.again();
        bed.daemon.docker(&["rm", "--force", &first]);
        let late = ["--label", &format!("cagent.job={}", spec.job)];
        let volume = ["--volume", &format!("{first}:/workspace")];
        make(&bed, &first, &[&late[..], &volume].concat());
        make(&bed, &format!("{first}-filler"), &[&late[..], &volume].concat());
        assert_eq!(bed.engine.list().await.unwrap(), [(spec.job, SandboxState::Running)]);
        let owner = format!("label=cagent.owner={}", bed.owner());
        let all = ["ps", "--all", "--filter", &owner, "--format", "{{.Names}}"];
        until("only its own is left", || bed.daemon.ask(&all) == [&*second]).await;
        bed.engine.remove(spec.job).await.unwrap();
        make(&bed, &first, &[&late[..], &volume].concat());
        assert_eq!(bed.engine.list().await.unwrap(), []);
        bed.is_swept().await;
    }
}

#[tokio::test]
async fn a_crash_between_a_container_and_its_volume() {
    let bed = Bed::with(IDLE, &Daemon::usual_by_tcp(), |_| {});
    let [gone, kept] = [bed.create(Limits::default()).await, bed.create(Limits::default()).await];
    bed.daemon.ask(&["rm", &bed.name(gone)]);
    fs::remove_dir_all(bed.config.home.join(gone.to_string())).unwrap();
    let bed = bed.again();
    assert_eq!(bed.engine.list().await.unwrap(), [(kept, SandboxState::Created)]);
    let volumes = format!("name=cagent-{}", bed.owner());
    let volumes = ["volume", "ls", "--quiet", "--filter", &volumes];
    until("its volume is swept", || bed.daemon.ask(&volumes) == [bed.name(kept)]).await;
    bed.engine.start(kept).await.unwrap();
    bed.engine.remove(kept).await.unwrap();
    leaves_nothing(&bed);
}

#[tokio::test]
async fn who_leaves_ends_no_sweeping() {
    let bed = Bed::with(IDLE, &Daemon::usual_by_tcp(), |_| {});
    bed.engine.report().await.unwrap();
    let job = JobId::generate();
    let name = format!("cagent-{}-{job}-0123456789ab", bed.owner());
    let of = ["--label", &format!("cagent.job={job}"), "--volume", &format!("{name}:/workspace")];
    make(&bed, &name, &of);
    assert!(bed.engine.list().now_or_never().is_none(), "it asks the daemon");
    bed.is_swept().await;
}

/// The daemon makes the volume first.
#[tokio::test]
async fn a_creation_that_fails() {
    let bed = Bed::with(IDLE, &Daemon::usual_by_tcp(), |_| {});
    let image = no_dir_for_work(&bed);
    let limits = Limits::default();
    let spec = SandboxSpec { job: JobId::generate(), limits, image: Some(image.clone()) };
    let made = bed.engine.create(&spec).await;
    bed.daemon.ask(&["rmi", "--force", &image]);
    assert!(matches!(&made, Err(EngineError::Setup { .. })), "{made:?}");
    leaves_nothing(&bed);
    assert!(!bed.config.home.join(spec.job.to_string()).exists());
}

/// The name of a new image with a file where each job has its workspace.
fn no_dir_for_work(bed: &Bed) -> String {
    let path = bed.config.home.with_file_name("image.tar");
    let mut tar = tar::Builder::new(fs::File::create(&path).unwrap());
    let mut header = tar::Header::new_gnu();
    header.set_size(0);
    header.set_mode(0o644);
    tar.append_data(&mut header, "workspace", std::io::empty()).unwrap();
    tar.finish().unwrap();
    let name = format!("cagent-test-{}", JobId::generate());
    bed.daemon.ask(&["import", &path.to_string_lossy(), &name]);
    name
}

#[tokio::test]
async fn a_note_that_cannot_be_read_is_not_taken_for_none() {
    let bed = Bed::idle();
    let job = bed.start(Limits::default()).await;
    let name = bed.name(job);
    let note = bed.config.home.join(format!("{job}/try"));
    let id = fs::read_link(&note).unwrap();
    fs::remove_file(&note).unwrap();
    // No link: an error, as on a disk that fails.
    fs::write(&note, "").unwrap();
    others_are_swept(&bed, job, &name).await;
    fs::remove_file(&note).and_then(|()| symlink(&id, &note)).unwrap();
    bed.engine.remove(job).await.unwrap();
    leaves_nothing(&bed);
}

#[tokio::test]
async fn folders_that_are_away_for_a_moment_are_not_gone() {
    let bed = Bed::idle();
    let job = bed.start(Limits::default()).await;
    let (name, owner) = (bed.name(job), bed.owner());
    let (home, away) = (&bed.config.home, bed.config.home.with_file_name("away"));
    fs::rename(home, &away).unwrap();
    // Each of them wakes the sweeper, and lets it look before the next.
    for _ in 0..5 {
        let error = bed.engine.list().await.unwrap_err();
        assert!(error.to_string().contains(&*home.to_string_lossy()), "{error}");
        assert_eq!(containers(&bed, &owner), [&*name]);
    }
    fs::rename(&away, home).unwrap();
    others_are_swept(&bed, job, &name).await;
    bed.engine.remove(job).await.unwrap();
    leaves_nothing(&bed);
}

/// What has no folder goes, and the job runs.
async fn others_are_swept(bed: &Bed, job: JobId, name: &str) {
    let (other, owner) = (JobId::generate(), bed.owner());
    let left = format!("cagent-{owner}-{other}-0123456789ab");
    make(bed, &left, &["--label", &format!("cagent.job={other}")]);
    assert_eq!(bed.engine.list().await.unwrap(), [(job, SandboxState::Running)]);
    until("the other is swept", || containers(bed, &owner) == [name]).await;
    assert_eq!(bed.engine.list().await.unwrap(), [(job, SandboxState::Running)]);
}

fn containers(bed: &Bed, owner: &str) -> Vec<String> {
    let owner = format!("label=cagent.owner={owner}");
    bed.daemon.ask(&["ps", "--all", "--filter", &owner, "--format", "{{.Names}}"])
}

#[tokio::test]
async fn a_crash_while_our_programs_are_brought() {
    let bed = Bed::idle();
    bed.engine.report().await.unwrap();
    make(&bed, &filler_of_tools(&bed), &[]);
    let bed = bed.again();
    bed.engine.report().await.unwrap();
    leaves_nothing(&bed);
}

#[tokio::test]
async fn another_server_that_brings_the_same_programs_is_waited_for() {
    let bed = Bed::idle();
    bed.engine.report().await.unwrap();
    let name = filler_of_tools(&bed);
    bed.daemon.ask(&["create", "--name", &name, "--label", "cagent.owner=other", IMAGE, "/never"]);
    let bed = bed.again();
    let mut asked = bed.engine.report();
    let early = tokio::time::timeout(Duration::from_secs(2), &mut asked).await;
    bed.daemon.ask(&["rm", &name]);
    assert!(early.is_err(), "it is filled twice at one time: {early:?}");
    tokio::time::timeout(PATIENCE, asked).await.expect("it is our turn").unwrap();
    leaves_nothing(&bed);
}

/// The name of what fills the volume with our programs.
fn filler_of_tools(bed: &Bed) -> String {
    let owner = format!("label=cagent.owner={}", bed.owner());
    let all = ["volume", "ls", "-q", "--filter", "label=cagent.tools", "--filter", &owner];
    let [volume] = &bed.daemon.ask(&all)[..] else { panic!("one volume") };
    format!("{volume}-filler")
}

#[tokio::test]
async fn a_crash_before_there_is_a_container() {
    let bed = Bed::idle();
    let job = bed.create(Limits::default()).await;
    let name = bed.name(job);
    let bed = bed.again();
    bed.daemon.ask(&["rm", &name]);
    assert_eq!(bed.engine.list().await.unwrap(), [(job, SandboxState::Created)]);
    bed.engine.remove(job).await.unwrap();
    assert_eq!(bed.engine.list().await.unwrap(), []);
}

#[tokio::test]
async fn one_taken_away_with_its_volume_has_no_files() {
    let bed = Bed::with(IDLE, &Daemon::usual_by_tcp(), |_| {});
    let job = bed.create(Limits::default()).await;
    let inputs = bed.engine.workspace(job).await.unwrap();
    std::fs::write(inputs.path().join("given"), "1").unwrap();
    bed.engine.start(job).await.unwrap();
    let name = bed.name(job);
    let bed = bed.again();
    bed.daemon.ask(&["rm", "--force", &name]);
    assert_eq!(bed.wait(job).await.end, SandboxEnd::Lost);
    let found = bed.engine.workspace(job).await;
    assert!(matches!(found, Err(EngineError::NotFound(_))), "what it began with: {found:?}");
    bed.engine.remove(job).await.unwrap();
    leaves_nothing(&bed);
}

#[tokio::test]
async fn a_container_that_only_has_our_labels_is_not_ours() {
    let bed = Bed::idle();
    bed.engine.report().await.unwrap();
    let (other, job) = (JobId::generate(), JobId::generate());
    let name = format!("cagent-test-{other}");
    make(&bed, &name, &["--label", &format!("cagent.job={job}")]);
    assert_eq!(bed.engine.list().await.unwrap(), []);
    bed.engine.remove(job).await.unwrap();
    bed.daemon.ask(&["rm", &name]);
}

#[tokio::test]
async fn a_removal_waits_for_one_that_is_under_way() {
    let bed = Bed::idle();
    for _ in 0..5 {
        let job = bed.start(Limits::default()).await;
        let removals = tokio::join!(bed.engine.remove(job), bed.engine.remove(job));
        removals.0.unwrap();
        removals.1.unwrap();
        leaves_nothing(&bed);
    }
}
