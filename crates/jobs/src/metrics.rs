//! What is counted of all jobs together, from the start of this process, for Prometheus. What is
//! counted says so by one call here, where it happens. How things stand now is not counted but asked
//! for when somebody looks ([`crate::gauges`]).
//!
//! Invariant: labels come from our own words and the operator's settings; nothing that a job or a
//! client makes up is one.

use std::sync::atomic::AtomicU64;

use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use store::{Commits, JobState};
use types::{Egress, JobStatus, ModelCall, Reason};

/// Names and values of labels.
pub(crate) type Labels<const N: usize> = [(&'static str, String); N];

/// A sum of parts.
type Sum<const N: usize> = Family<Labels<N>, Counter>;

/// From the fastest start there is to a queue of hours.
const WAITS: [f64; 14] =
    [0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0];

/// Whose cause is the server or the machine. They are there from the start: what counts increases
/// overlooks a first value.
const OURS: [Reason; 5] = [
    Reason::SandboxFailed,
    Reason::SandboxLost,
    Reason::AgentFailed,
    Reason::PackagingFailed,
    Reason::Interrupted,
];

/// Every counter there is.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    /// Requests that became a job.
    pub(crate) accepted: Counter,
    ended: Sum<2>,
    start: Histogram,
    duration: Histogram,
    engine_errors: Sum<2>,
    model_calls: Sum<3>,
    model_tokens: Sum<3>,
    model_cost: Family<Labels<2>, Counter<f64, AtomicU64>>,
    /// Reports of agents that were taken.
    pub(crate) reports: Counter,
    /// What agents sent through their gateways.
    pub(crate) gateway_bytes: Counter,
    egress_bytes: Sum<1>,
    streams: Gauge,
    told: Sum<1>,
    results: Gauge,
}

impl Metrics {
    pub(crate) fn new(commits: &Commits) -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("cagent"),
            accepted: Counter::default(),
            ended: Family::default(),
            start: Histogram::new(WAITS),
            duration: Histogram::new(WAITS),
            engine_errors: Family::default(),
            model_calls: Family::default(),
            model_tokens: Family::default(),
            model_cost: Family::default(),
            reports: Counter::default(),
            gateway_bytes: Counter::default(),
            egress_bytes: Family::default(),
            streams: Gauge::default(),
            told: Family::default(),
            results: Gauge::default(),
        };
        metrics.register(commits);
        for reason in OURS {
            drop(metrics.ended.get_or_create(&ended(JobStatus::Error, reason)));
        }
        metrics
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// A job has come into the status it has.
    pub(crate) fn moved(&self, job: &JobState, now: Timestamp) {
        let since = |time: Timestamp| now.duration_since(time).as_secs_f64().max(0.0);
        if job.status == JobStatus::Running {
            self.start.observe(since(job.created));
        }
        let Some(ending) = job.ending.as_ref().filter(|_| job.status.is_final()) else { return };
        self.ended.get_or_create(&ended(job.status, ending.reason)).inc();
        if let Some(started) = job.started {
            self.duration.observe(since(started));
        }
    }

    /// An engine's failures are counted from now on, from 0.
    pub(crate) fn engine_is_there(&self, engine: &str, call: &str) {
        drop(self.engine_errors.get_or_create(&[("engine", engine.into()), ("call", call.into())]));
    }

    pub(crate) fn engine_failed(&self, engine: &str, call: &str) {
        self.engine_errors.get_or_create(&[("engine", engine.into()), ("call", call.into())]).inc();
    }

    pub(crate) fn model_called(&self, call: &ModelCall) {
        let outcome = if call.error.is_none() { "answered" } else { "failed" };
        let of = || [("provider", call.provider.clone()), ("model", call.model.clone())];
        let with = |name, value: &str| {
            let [provider, model] = of();
            [provider, model, (name, value.into())]
        };
        self.model_calls.get_or_create(&with("outcome", outcome)).inc();
        let (read, written) = (call.usage.input_tokens, call.usage.output_tokens);
        self.model_tokens.get_or_create(&with("direction", "input")).inc_by(read);
        self.model_tokens.get_or_create(&with("direction", "output")).inc_by(written);
        if let Some(cost) = call.cost_usd {
            self.model_cost.get_or_create(&of()).inc_by(cost.micros as f64 / 1e6);
        }
    }

    pub(crate) fn connection_closed(&self, egress: &Egress) {
        let bytes = |direction: &str| {
            self.egress_bytes.get_or_create_owned(&[("direction", direction.into())])
        };
        bytes("sent").inc_by(egress.sent_bytes);
        bytes("received").inc_by(egress.received_bytes);
    }

    /// Counts somebody who follows a job, as long as it is there.
    pub(crate) fn stream(&self) -> Counted {
        Counted::one_of(&self.streams)
    }

    /// Counts a result that waits until it can be kept, as long as it is there.
    pub(crate) fn result_waits(&self) -> Counted {
        Counted::one_of(&self.results)
    }

    /// How many results wait.
    pub(crate) fn results_that_wait(&self) -> i64 {
        self.results.get()
    }

    /// What became of messages to the webhook.
    pub(crate) fn told(&self, outcome: &str, count: u64) {
        self.told.get_or_create(&[("outcome", outcome.into())]).inc_by(count);
    }

    fn register(&mut self, commits: &Commits) {
        let of = &mut self.registry;
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        of.register("build", "What this is", Info::new(version));
        of.register("jobs_accepted", "Requests that became a job", self.accepted.clone());
        of.register("jobs_ended", "Jobs that reached their end, by why", self.ended.clone());
        of.register_with_unit(
            "job_start",
            "From when a job was accepted until its agent worked, time in the queue included",
            Unit::Seconds,
            self.start.clone(),
        );
        of.register_with_unit(
            "job_duration",
            "From a job's turn until its end; jobs that never had a turn are not counted",
            Unit::Seconds,
            self.duration.clone(),
        );
        of.register(
            "engine_errors",
            "Calls of an engine that failed; that there is no such sandbox is no failure",
            self.engine_errors.clone(),
        );
        of.register("model_calls", "Calls of models: answered or failed", self.model_calls.clone());
        of.register(
            "model_tokens",
            "Tokens that models read (from caches too) and wrote (thoughts too)",
            self.model_tokens.clone(),
        );
        of.register(
            "model_cost_dollars",
            "What calls of models cost, where a price is set",
            self.model_cost.clone(),
        );
        of.register(
            "agent_reports",
            "Reports of agents that were taken, repeats included",
            self.reports.clone(),
        );
        of.register_with_unit(
            "gateway_received",
            "What agents sent: reports and questions, repeats included",
            Unit::Bytes,
            self.gateway_bytes.clone(),
        );
        of.register_with_unit(
            "egress",
            "What went through the proxies of jobs, counted when a connection is over",
            Unit::Bytes,
            self.egress_bytes.clone(),
        );
        of.register(
            "webhooks",
            "Tries to tell the webhook: delivered or failed; and messages that were given up",
            self.told.clone(),
        );
        of.register(
            "results_waiting",
            "Results that cannot be kept yet, for want of room or of their engine, and are tried again",
            self.results.clone(),
        );
        of.register("event_streams", "Clients that follow a job now", self.streams.clone());
        of.register_with_unit(
            "store_commit",
            "How long the store took for a batch of changes",
            Unit::Seconds,
            commits.seconds.clone(),
        );
        of.register(
            "store_commit_failures",
            "Batches of changes that the store could not keep",
            commits.failures.clone(),
        );
    }
}

fn ended(status: JobStatus, reason: Reason) -> Labels<2> {
    [("status", status.to_string()), ("reason", reason.to_string())]
}

/// Something that counts while it is there.
#[derive(Debug)]
pub(crate) struct Counted(Gauge);

impl Counted {
    fn one_of(all: &Gauge) -> Self {
        all.inc();
        Self(all.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
