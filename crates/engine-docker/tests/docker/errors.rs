//! What cannot work is told with its cure.

use std::fs;

use engine::{Engine, EngineError, SandboxSpec};
use engine_docker::{DockerConfig, DockerEngine};
use testkit::docker::{Daemon, IMAGE};
use types::{JobId, Limits};

use crate::bed::{Bed, IDLE};

async fn report_on(host: &str) -> String {
    let bed = Bed::with(IDLE, &Daemon(host.into()), |_| {});
    bed.engine.report().await.unwrap_err().to_string()
}

#[tokio::test]
async fn a_daemon_that_is_not_there() {
    let error = report_on("unix:///nowhere/docker.sock").await;
    assert!(
        error.contains("/nowhere/docker.sock") && error.contains("systemctl start docker"),
        "{error}"
    );
    let error = report_on("tcp://127.0.0.1:1").await;
    assert!(error.contains("127.0.0.1:1") && error.contains("DOCKER_HOST"), "{error}");
}

#[tokio::test]
async fn a_daemon_that_is_something_else() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let _ = std::io::Write::write_all(&mut stream, b"220 mail\r\n");
        }
    });
    let error = report_on(&format!("tcp://{address}")).await;
    assert!(error.contains("docker version"), "{error}");
}

#[tokio::test]
async fn an_address_that_makes_no_sense() {
    let bed = Bed::idle();
    let config = DockerConfig { host: Some("ssh://far".into()), ..bed.config.clone() };
    let error = DockerEngine::open(config).unwrap_err().to_string();
    assert!(error.contains("ssh://far") && error.contains("tcp://host:port"), "{error}");
}

#[tokio::test]
async fn an_image_that_is_not_there() {
    let bed = Bed::idle();
    let image = Some("nobody/has-this:1".to_owned());
    let spec = SandboxSpec { job: JobId::generate(), limits: Limits::default(), image };
    let error = bed.engine.create(&spec).await.unwrap_err();
    assert!(
        matches!(&error, EngineError::Image { image, .. } if image == "nobody/has-this:1"),
        "{error}"
    );
    let left = fs::read_dir(&bed.config.home).unwrap().map(|e| e.unwrap().file_name());
    let mut left: Vec<_> = left.collect();
    left.sort();
    assert_eq!(left, ["owner", "owner-of"], "a failure leaves nothing");
}

#[tokio::test]
async fn without_the_usual_image_only_jobs_that_name_one_run() {
    let change = |config: &mut DockerConfig| config.image = "containerized-agent:missing".into();
    for daemon in [Daemon::usual(), Daemon::usual_by_tcp()] {
        let bed = Bed::with(IDLE, &daemon, change);
        let error = bed.engine.way().await.unwrap_err();
        assert!(matches!(error, EngineError::Image { .. }), "{error}");
        assert!(error.to_string().contains("cagent image build"), "{error}");
        let error = bed.engine.ready().await.unwrap_err();
        assert!(error.to_string().contains("cagent image build"), "{error}");
        let spec = |image| SandboxSpec { job: JobId::generate(), limits: Limits::default(), image };
        let error = bed.engine.create(&spec(None)).await.unwrap_err();
        assert!(matches!(error, EngineError::Image { .. }), "{error}");
        let spec = spec(Some(IMAGE.into()));
        bed.engine.create(&spec).await.unwrap();
        bed.engine.start(spec.job).await.unwrap();
        assert_eq!(bed.engine.list().await.unwrap().len(), 1, "it is found all the same");
        bed.engine.remove(spec.job).await.unwrap();
    }
}

#[tokio::test]
async fn a_runtime_that_is_not_there() {
    let bed = Bed::with(IDLE, &Daemon::usual(), |config| config.runtime = Some("nothing".into()));
    let error = bed.engine.report().await.unwrap_err().to_string();
    assert!(error.contains("runc") && error.contains("daemon.json"), "{error}");
}
