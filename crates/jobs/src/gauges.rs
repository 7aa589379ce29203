//! How things stand, for Prometheus: what the store, the disk and the system say when asked.

use futures_util::future::join_all;
use prometheus_client::encoding::EncodeMetric;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::{Registry, Unit};
use store::Census;
use tokio::time::timeout;
use types::{JobStatus, SandboxReport};

use crate::metrics::{Labels, Metrics};
use crate::process::Process;
use crate::readiness::PATIENCE;
use crate::service::Jobs;

/// Every one: a status without jobs is shown, too.
const STATUSES: [JobStatus; 7] = [
    JobStatus::Scheduled,
    JobStatus::Starting,
    JobStatus::Running,
    JobStatus::Packaging,
    JobStatus::Complete,
    JobStatus::Error,
    JobStatus::Cancelled,
];

/// How things stand at one moment.
#[derive(Debug)]
pub(crate) struct Standing {
    /// None while the store cannot be read: no number is better than an old one.
    pub(crate) census: Option<Census>,
    /// For how long the next job has waited, in seconds.
    pub(crate) queue_age: f64,
    pub(crate) free_bytes: u64,
    pub(crate) reserve_bytes: u64,
    pub(crate) process: Process,
    /// By engine, what it does not enforce; nothing of one that does not say.
    pub(crate) not_enforced: Vec<(String, String)>,
}

impl Jobs {
    /// What there is to know in numbers, as OpenMetrics text.
    pub async fn metrics(&self) -> String {
        text(&self.inner.metrics, &self.standing().await)
    }

    async fn standing(&self) -> Standing {
        let inner = &self.inner;
        let census = inner.store.census().await;
        let census = census.inspect_err(|e| tracing::warn!("could not count the jobs: {e}")).ok();
        let oldest = census.as_ref().and_then(|census| census.oldest_waiting);
        let age = oldest.map(|accepted| inner.config.clock.now().duration_since(accepted));
        Standing {
            census,
            queue_age: age.map_or(0.0, |age| age.as_secs_f64().max(0.0)),
            free_bytes: inner.room.free(),
            reserve_bytes: inner.config.reserve_bytes,
            process: Process::look(),
            not_enforced: self.not_enforced().await,
        }
    }

    async fn not_enforced(&self) -> Vec<(String, String)> {
        let reports = self.inner.engines.iter().map(|engine| timeout(PATIENCE, engine.report()));
        let reports = join_all(reports).await.into_iter().flatten().flatten();
        let of = |report: SandboxReport| {
            let engine = report.engine;
            report.shortfalls.into_iter().map(move |short| (engine.clone(), short.what))
        };
        reports.flat_map(of).collect()
    }
}

/// All that is counted and how things stand.
pub(crate) fn text(metrics: &Metrics, standing: &Standing) -> String {
    let mut text = String::new();
    // A string takes everything.
    let _ = encode_registry(&mut text, metrics.registry())
        .and_then(|()| encode_registry(&mut text, &standing.registry()))
        .and_then(|()| encode_eof(&mut text));
    text
}

impl Standing {
    fn registry(&self) -> Registry {
        let mut all = Registry::default();
        let ours = all.sub_registry_with_prefix("cagent");
        if let Some(census) = &self.census {
            ours.register("jobs", "Jobs that are kept, by status", by_status(census));
            seconds(
                ours,
                "queue_age",
                "How long the next job in the queue has waited; 0 if none does",
                self.queue_age,
            );
            bytes(ours, "results", "What results and logs hold on the disk", census.result_bytes);
            let waiting = ConstGauge::new(census.messages);
            ours.register(
                "webhooks_waiting",
                "Messages that the webhook was not told yet",
                waiting,
            );
        }
        bytes(ours, "disk_free", "What is free where data and results are", self.free_bytes);
        bytes(ours, "disk_reserve", "Below this nothing is accepted", self.reserve_bytes);
        let help = "1 for each limit that an engine does not enforce on this machine";
        ours.register("not_enforced", help, not_enforced(&self.not_enforced));
        self.register_process(all.sub_registry_with_prefix("process"));
        all
    }

    /// By the names that every Prometheus client has for them.
    fn register_process(&self, of: &mut Registry) {
        let Process { resident_bytes, open_files, most_files, started } = self.process;
        if let Some(resident) = resident_bytes {
            bytes(of, "resident_memory", "Memory of the server", resident);
        }
        let files = [
            ("open_fds", "File descriptors that are open", open_files),
            ("max_fds", "File descriptors that may be open", most_files),
        ];
        for (name, help, count) in files {
            if let Some(count) = count {
                of.register(name, help, ConstGauge::new(count));
            }
        }
        if let Some(started) = started {
            seconds(of, "start_time", "When the server began, since 1970", started);
        }
    }
}

fn by_status(census: &Census) -> impl EncodeMetric + Send + Sync + std::fmt::Debug + 'static {
    let family = Family::<Labels<1>, Gauge>::default();
    for status in STATUSES {
        let count = census.jobs.iter().find(|(of, _)| *of == status).map_or(0, |(_, count)| *count);
        let labels = [("status", status.to_string())];
        family.get_or_create(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
    }
    family
}

fn not_enforced(
    all: &[(String, String)],
) -> impl EncodeMetric + Send + Sync + std::fmt::Debug + 'static {
    let family = Family::<Labels<2>, Gauge>::default();
    for (engine, what) in all {
        family.get_or_create(&[("engine", engine.clone()), ("limit", what.clone())]).set(1);
    }
    family
}

fn bytes(of: &mut Registry, name: &str, help: &str, bytes: u64) {
    of.register_with_unit(name, help, Unit::Bytes, ConstGauge::new(bytes));
}

fn seconds(of: &mut Registry, name: &str, help: &str, seconds: f64) {
    of.register_with_unit(name, help, Unit::Seconds, ConstGauge::new(seconds));
}
