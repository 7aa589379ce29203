//! The conformance suite, on every daemon and by every way.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use engine::{Engine, conformance};
use tempfile::TempDir;
use testkit::docker::{Daemon, OwnDaemon};
use types::Isolation;

use crate::bed::{Bed, IDLE};
use crate::life::{COPY, files_go_in_and_come_back};

#[tokio::test]
async fn mounted_it_passes_the_suite() {
    let bed = Bed::idle();
    let way = bed.engine.way().await.unwrap();
    assert!(way.starts_with("by directories"), "{way}");
    assert_eq!(bed.engine.report().await.unwrap().isolation, Isolation::Container);
    conformance::suite(&bed.engine).await;
    leaves_nothing(&bed);
}

#[tokio::test]
async fn bridged_it_passes_the_suite() {
    let bed = Bed::with(IDLE, &Daemon::usual_by_tcp(), |_| {});
    let way = bed.engine.way().await.unwrap();
    assert!(way.contains("over TCP"), "{way}");
    conformance::suite(&bed.engine).await;
    leaves_nothing(&bed);
}

#[tokio::test]
async fn podman_passes_the_suite() {
    let podman = OwnDaemon::start(
        "podman --root \"$PWD/root\" --runroot \"$PWD/run\" --cgroup-manager cgroupfs \
         system service --time 0 \"$host\"",
    );
    let bed = Bed::with(IDLE, podman.daemon(), |_| {});
    let way = bed.engine.way().await.unwrap();
    assert!(way.starts_with("by directories"), "{way}");
    conformance::suite(&bed.engine).await;
    leaves_nothing(&bed);
    let bed = Bed::with(IDLE, &podman.daemon().by_tcp(), |_| {});
    conformance::suite(&bed.engine).await;
    let bed = Bed::with(COPY, &bed.daemon, |_| {});
    files_go_in_and_come_back(&bed).await;
    leaves_nothing(&bed);
}

#[tokio::test]
async fn gvisor_passes_the_suite() {
    let installed = Command::new("runsc").arg("--version").output();
    installed.expect("apt-get install runsc, from Debian's backports");
    let dir = TempDir::new().unwrap();
    let runsc = dir.path().join("runsc");
    let options = "--host-uds=open --network=none --ignore-cgroups=false";
    fs::write(&runsc, format!("#!/bin/sh\nexec runsc {options} \"$@\"\n")).unwrap();
    fs::set_permissions(&runsc, fs::Permissions::from_mode(0o755)).unwrap();
    let docker = OwnDaemon::dockerd(&format!("--add-runtime runsc={}", runsc.display()));
    let bed = Bed::with(IDLE, docker.daemon(), |config| config.runtime = Some("runsc".into()));
    let way = bed.engine.way().await.unwrap();
    assert!(way.starts_with("by directories"), "{way}");
    assert_eq!(bed.engine.report().await.unwrap().isolation, Isolation::Gvisor);
    conformance::suite(&bed.engine).await;
    leaves_nothing(&bed);
}

fn leaves_nothing(bed: &Bed) {
    assert_eq!(bed.daemon.left_of(&bed.owner()), Vec::<String>::new());
}
