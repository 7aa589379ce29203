//! How the server stands.

use api::{Doctor, Scheduled, System};
use models::Price;
use serde_json::json;
use types::{EventKind, JobStatus, Limits, Network};

use crate::support::{HELLO, Server, WAIT};

fn started(event: &EventKind) -> bool {
    matches!(event, EventKind::StepStarted { .. })
}

#[tokio::test]
async fn a_page_learns_what_a_job_may_ask_for() {
    let price = Price { input: 1.0, cached: 0.1, output: 4.0 };
    let server = Server::with_model(Some(price)).await;
    for (prompt, awaited) in [(WAIT, started as fn(&EventKind) -> bool), (HELLO, |_| false)] {
        let body = json!({ "prompt": prompt, "mode": "runbook" });
        let scheduled: Scheduled = server.post("/schedule", &body).await.read();
        server.until(scheduled.job_id, awaited).await;
    }
    let system: System = server.get("/v1/system").await.read();
    assert!(system.accepting);
    let [engine] = &system.engines[..] else { panic!("{system:?}") };
    assert_eq!((engine.name.as_str(), engine.available), ("fake", true));
    assert_eq!(engine.sandbox.as_ref().unwrap().engine, "fake");
    assert_eq!(system.images[0].name, "thin:latest");
    assert_eq!(system.limits.default, Limits::default());
    assert_eq!(system.limits.most.processes, 1000);
    assert_eq!(system.network.default, Network::None);
    assert!(matches!(&system.network.most, Network::Domains(names) if names.len() == 2));
    let [model] = &system.models[..] else { panic!("{system:?}") };
    assert_eq!((model.name.as_str(), model.rests_seconds), ("ollama/llama", None));
    assert_eq!(model.price.map(|price| price.output), Some(4.0));
    assert_eq!((system.spend.kept.calls, system.spend.kept.cost_usd), (0, None));
    assert_eq!(system.queue.concurrency, 4);
    let count = |status| system.jobs.iter().find(|of| of.status == status).map(|of| of.count);
    assert_eq!((count(JobStatus::Running), count(JobStatus::Complete)), (Some(1), Some(1)));
    assert!(system.disk.results_bytes > 0 && system.links.desktop.starts_with("http"));
}

#[tokio::test]
async fn the_doctor_comes() {
    let server = Server::new().await;
    let doctor: Doctor = server.get("/v1/doctor").await.read();
    assert!(doctor.works && doctor.findings[0].what == "fake engine", "{doctor:?}");
}
