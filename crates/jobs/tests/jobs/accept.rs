//! What becomes a job and what does not.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use jobs::{Config, Idempotency, Jobs, NetworkPolicy, ScheduleError, ScheduleRequest};
use types::{JobStatus, Mode, Network, PartialLimits};

use crate::support::{HELLO, Setup, claim, config, obey, request, succeed};

#[tokio::test]
async fn bad_requests_are_refused_and_nothing_is_kept() {
    let setup = Setup::new(succeed, 1).await;
    let refuse = async |request: ScheduleRequest| setup.jobs.schedule(request).await.unwrap_err();
    assert!(matches!(refuse(request(" \n")).await, ScheduleError::EmptyPrompt));
    let large = request(&"x".repeat(1024 * 1024 + 1));
    assert!(matches!(refuse(large).await, ScheduleError::PromptTooLarge { .. }));
    assert!(matches!(refuse(request("Make me a todo app")).await, ScheduleError::NoModel));
    let agent = ScheduleRequest { mode: Mode::Agent, ..request(HELLO) };
    assert!(matches!(refuse(agent).await, ScheduleError::AgentMode));
    assert!(matches!(refuse(request("```bash\nls")).await, ScheduleError::BadRunbook(_)));
    let engine = ScheduleRequest { engine: Some("x".into()), ..request(HELLO) };
    assert!(matches!(refuse(engine).await, ScheduleError::UnknownEngine { .. }));
    for image in ["", "--privileged", "UPPER CASE!!"] {
        let image = ScheduleRequest { image: Some(image.into()), ..request(HELLO) };
        assert!(matches!(refuse(image).await, ScheduleError::ImageName));
    }
    let limits = PartialLimits { processes: Some(0), ..PartialLimits::default() };
    let limits = ScheduleRequest { limits, ..request(HELLO) };
    assert!(matches!(refuse(limits).await, ScheduleError::Limits(_)));
    assert_eq!(setup.list().await, vec![]);
}
#[tokio::test]
async fn a_caller_that_leaves_leaves_no_job_behind() {
    let setup = Setup::new(succeed, 4).await;
    for micros in (0..3000).step_by(50) {
        // Dropped wherever it is by then.
        let patience = Duration::from_micros(micros);
        drop(tokio::time::timeout(patience, setup.jobs.schedule(request(HELLO))).await);
    }
    let jobs = setup.list().await;
    assert!(!jobs.is_empty(), "some were kept");
    for job in jobs {
        assert_eq!(setup.end(job.id).await.0.status, JobStatus::Complete);
    }
}

fn named(key: &str, fingerprint: u8) -> ScheduleRequest {
    let idempotency = Idempotency { key: key.into(), fingerprint: [fingerprint; 32] };
    ScheduleRequest { idempotency: Some(idempotency), ..request(HELLO) }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_requests_of_one_name_are_one_job() {
    let setup = Setup::new(succeed, 1).await;
    let all = (0..300).map(|_| setup.jobs.schedule(named("order 7", 1)));
    let answers = join_all(all).await.into_iter().map(Result::unwrap);
    let answers: std::collections::HashSet<_> = answers.collect();
    assert_eq!((answers.len(), setup.list().await.len()), (1, 1));
    let job = answers.into_iter().next().unwrap();
    let other = setup.jobs.schedule(named("order 7", 2)).await;
    assert!(matches!(other, Err(ScheduleError::KeyReused { job: known }) if known == job));
    setup.end(job).await;
    assert_eq!(
        setup.jobs.schedule(named("order 7", 1)).await.unwrap(),
        job,
        "also when it is over"
    );
    setup.jobs.forget(job).await.unwrap();
    assert_ne!(setup.jobs.schedule(named("order 7", 2)).await.unwrap(), job, "the name is free");
    setup.jobs.stop().await;
}

#[tokio::test]
async fn a_name_is_printable_and_not_too_long() {
    let setup = Setup::new(succeed, 1).await;
    for bad in ["", "a\n", "ü", &"x".repeat(256)] {
        let refused = setup.jobs.schedule(named(bad, 1)).await;
        assert!(matches!(refused, Err(ScheduleError::BadKey)), "{bad:?}");
    }
    setup.jobs.schedule(named(&"x".repeat(255), 1)).await.unwrap();
    setup.jobs.stop().await;
}

#[tokio::test]
async fn what_is_asked_for_is_kept_and_what_is_not_is_the_operators() {
    let setup = Setup::new(obey, 1).await;
    let domains = Network::Domains(vec!["example.org".parse().unwrap()]);
    let asked = ScheduleRequest {
        network: Some(domains.clone()),
        environment: BTreeMap::from([("TOKEN".into(), "s3cret".into())]),
        limits: PartialLimits { processes: Some(900), ..PartialLimits::default() },
        ..request(HELLO)
    };
    let job = setup.jobs.schedule(asked).await.unwrap();
    let spec = setup.jobs.get(job).await.unwrap().spec;
    assert_eq!((spec.network, spec.limits.processes), (domains, 900));
    assert_eq!(spec.environment["TOKEN"], "s3cret");
    setup.jobs.cancel(job).await.unwrap();
    let (record, events) = setup.end(job).await;
    assert_eq!(record.status, JobStatus::Cancelled);
    assert!(!serde_json::to_string(&events).unwrap().contains("s3cret"));
    let zip = std::fs::File::open(setup.jobs.zip_path(job)).unwrap();
    let mut zip = zip::ZipArchive::new(zip).unwrap();
    for record in 0..zip.len() {
        let text = std::io::read_to_string(zip.by_index(record).unwrap()).unwrap();
        assert!(!text.contains("s3cret"), "{text}");
    }
    let manifest = std::io::read_to_string(zip.by_name(".cagent/manifest.json").unwrap()).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["job"]["environment"], serde_json::json!(["TOKEN"]));
    assert_eq!(manifest["job"]["network"], serde_json::json!(["example.org"]));

    let plain = setup.jobs.schedule(request(HELLO)).await.unwrap();
    let spec = setup.jobs.get(plain).await.unwrap().spec;
    assert_eq!((spec.network, spec.limits.processes), (Network::None, 512));
    setup.jobs.stop().await;
}

#[tokio::test]
async fn nobody_gets_more_than_the_operator_allows() {
    let home = tempfile::tempdir().unwrap();
    let ceiling = Network::Domains(vec!["*.example.org".parse().unwrap()]);
    let network = NetworkPolicy { default: Network::Open, ceiling: ceiling.clone() };
    let engine = std::sync::Arc::new(engine::FakeEngine::idle().unwrap());
    let config = Config { network, ..config(1) };
    let jobs = Jobs::open(claim(&home).unwrap(), config, vec![engine]).await.unwrap();
    let ask = async |network| jobs.schedule(ScheduleRequest { network, ..request(HELLO) }).await;
    let plain = ask(None).await.unwrap();
    assert_eq!(jobs.get(plain).await.unwrap().spec.network, ceiling, "the default is lowered");
    let below = Network::Domains(vec!["a.example.org".parse().unwrap()]);
    ask(Some(below)).await.unwrap();
    let many = vec!["a.example.org".parse().unwrap(); 257];
    for too_much in [Network::Open, Network::Domains(many)] {
        let refused = ask(Some(too_much)).await;
        assert!(matches!(refused, Err(ScheduleError::Network { .. })), "{refused:?}");
    }
    let limits = PartialLimits { processes: Some(1001), ..PartialLimits::default() };
    let refused = jobs.schedule(ScheduleRequest { limits, ..request(HELLO) }).await;
    assert!(matches!(refused, Err(ScheduleError::Limits(bad)) if bad.field == "processes"));
    let environment = BTreeMap::from([("1".into(), String::new())]);
    let refused = jobs.schedule(ScheduleRequest { environment, ..request(HELLO) }).await;
    assert!(matches!(refused, Err(ScheduleError::Environment(_))));
    jobs.stop().await;
}

#[tokio::test]
async fn nothing_is_accepted_when_the_disk_is_nearly_full() {
    let home = tempfile::tempdir().unwrap();
    let config = Config { reserve_bytes: u64::MAX, ..config(1) };
    let engine = std::sync::Arc::new(engine::FakeEngine::idle().unwrap());
    let jobs = Jobs::open(claim(&home).unwrap(), config, vec![engine]).await.unwrap();
    assert!(matches!(jobs.schedule(request(HELLO)).await, Err(ScheduleError::NoRoom(_))));
    assert!(matches!(jobs.stage().await, Err(jobs::FilesError::NoRoom(_))));
}
