//! The conformance suite, on every daemon and by every way.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use engine::{Engine, conformance};
use tempfile::TempDir;
use types::Isolation;

use crate::bed::{Bed, Daemon, IDLE, PATIENCE, SOCKET, by_tcp, daemon};
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
    daemon();
    let bed = Bed::with(IDLE, &by_tcp(SOCKET), |_| {});
    let way = bed.engine.way().await.unwrap();
    assert!(way.contains("over TCP"), "{way}");
    conformance::suite(&bed.engine).await;
    leaves_nothing(&bed);
}

#[tokio::test]
async fn podman_passes_the_suite() {
    let podman = Service::start("podman", "apt-get install podman", |dir, socket| {
        let mut command = Command::new("podman");
        command.arg("--root").arg(dir.join("root")).arg("--runroot").arg(dir.join("run"));
        command
            .args(["--cgroup-manager", "cgroupfs", "system", "service", "--time", "0"])
            .arg(socket);
        command
    });
    podman.daemon.provide_image();
    let bed = Bed::with(IDLE, &podman.daemon, |_| {});
    let way = bed.engine.way().await.unwrap();
    assert!(way.starts_with("by directories"), "{way}");
    conformance::suite(&bed.engine).await;
    leaves_nothing(&bed);
    let bed = Bed::with(IDLE, &by_tcp(podman.daemon.0.trim_start_matches("unix://")), |_| {});
    conformance::suite(&bed.engine).await;
    let bed = Bed::with(COPY, &bed.daemon, |_| {});
    files_go_in_and_come_back(&bed).await;
    leaves_nothing(&bed);
}

/// A daemon of our own, beside the machine's: it touches no network, which would be the other's.
#[tokio::test]
async fn gvisor_passes_the_suite() {
    let installed = Command::new("runsc").arg("--version").output();
    installed.expect("apt-get install runsc, from Debian's backports");
    let docker = Service::start("dockerd", "apt-get install docker.io", |dir, socket| {
        let runsc = dir.join("runsc.sh");
        let options = "--host-uds=open --network=none --ignore-cgroups=false";
        std::fs::write(&runsc, format!("#!/bin/sh\nexec runsc {options} \"$@\"\n")).unwrap();
        std::fs::set_permissions(&runsc, Permissions::from_mode(0o755)).unwrap();
        let mut command = Command::new("dockerd");
        command.args(["--bridge", "none", "--iptables=false", "--ip-forward=false"]);
        command.arg("--data-root").arg(dir.join("root")).arg("--exec-root").arg(dir.join("exec"));
        command.arg("--pidfile").arg(dir.join("pid")).arg("--host").arg(socket);
        command.arg("--add-runtime").arg(format!("runsc={}", runsc.display()));
        command
    });
    docker.daemon.provide_image();
    let bed = Bed::with(IDLE, &docker.daemon, |config| config.runtime = Some("runsc".into()));
    let way = bed.engine.way().await.unwrap();
    assert!(way.starts_with("by directories"), "{way}");
    assert_eq!(bed.engine.report().await.unwrap().isolation, Isolation::Gvisor);
    conformance::suite(&bed.engine).await;
    leaves_nothing(&bed);
}

fn leaves_nothing(bed: &Bed) {
    let label = format!("label=cagent.owner={}", bed.owner());
    assert!(bed.daemon.ask(&["ps", "-aq", "--filter", &label]).is_empty());
    let name = format!("name=cagent-{}", bed.owner());
    assert!(bed.daemon.ask(&["volume", "ls", "-q", "--filter", &name]).is_empty());
}

/// A daemon that is there for one test.
struct Service {
    process: Child,
    daemon: Daemon,
    _dir: TempDir,
}

impl Service {
    fn start(
        name: &str,
        cure: &str,
        command: impl FnOnce(&std::path::Path, &str) -> Command,
    ) -> Self {
        let dir = TempDir::new().unwrap();
        let socket = dir.path().join("api.sock");
        let host = format!("unix://{}", socket.display());
        let mut command = command(dir.path(), &host);
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let service = Self {
            process: process.unwrap_or_else(|e| panic!("{name}: {e}; {cure}")),
            daemon: Daemon(host),
            _dir: dir,
        };
        let begun = Instant::now();
        while !service.daemon.docker(&["version"]).status.success() {
            assert!(begun.elapsed() < PATIENCE, "{name} does not answer");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        service
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(Command::new("kill").arg(self.process.id().to_string()).status());
        drop(self.process.wait());
    }
}
