//! What a server says of itself in its log when it starts.

use std::sync::Arc;
use std::time::Duration;

use engine::Engine;
use jiff::Timestamp;
use jobs::{IpNet, Jobs};
use models::Provider;
use types::ApiKey;

use crate::settings::{ModelSettings, Settings};
use crate::text;

/// How long an engine may take to say what it can, before the server goes on without knowing: the
/// probe of a Docker daemon takes seconds.
const TELL_PATIENCE: Duration = Duration::from_secs(20);

/// The prefix of `fc00::/7`, the largest private network.
const WIDEST_PRIVATE: u8 = 7;

/// What its jobs have to work with.
pub(super) async fn engines(settings: &Settings, engines: &[Arc<dyn Engine>]) {
    let dir = settings.data_dir.display();
    let jobs = text::count(settings.concurrency.get() as u64, "job");
    for engine in engines {
        let report = match tokio::time::timeout(TELL_PATIENCE, engine.report()).await {
            Ok(Ok(report)) => report,
            Ok(Err(e)) => {
                tracing::warn!("no job can run on {} until this is mended: {e}", engine.name());
                continue;
            }
            Err(_) => {
                tracing::warn!("{} does not answer; its jobs wait until it does", engine.name());
                continue;
            }
        };
        let shortfalls: Vec<_> = report.shortfalls.into_iter().map(|short| short.what).collect();
        let missing = if shortfalls.is_empty() { "nothing".into() } else { shortfalls.join(", ") };
        tracing::info!(
            "data in {dir}, engine {}, {jobs} at one time, not enforced: {missing}",
            engine.name()
        );
    }
}

/// Who can be asked, and who is not though something was set.
pub(super) fn models(settings: &ModelSettings, providers: &[Provider]) {
    settings.warnings().iter().for_each(|half| tracing::warn!("{half}"));
    let names: Vec<_> = providers.iter().map(Provider::name).collect();
    match &*names {
        [] => tracing::info!("no model is set up: tasks are runbooks (docs/models.md)"),
        names => tracing::info!("models, in the order they are asked: {}", names.join(", ")),
    }
}

/// Others than this machine's own can come.
pub(super) fn who_may_come(settings: &Settings, jobs: &Jobs) {
    let now = Timestamp::now();
    let works = |key: &ApiKey| key.revoked.is_none() && key.expires.is_none_or(|end| end > now);
    if settings.allow_no_keys && settings.has_name() {
        tracing::warn!(
            "CAGENT_ALLOW_NO_KEYS does not count: CAGENT_PUBLIC_NAMES or CAGENT_PREVIEW_DOMAIN names \
             this server for others"
        );
    }
    if !settings.needs_keys() {
        tracing::warn!(
            "whoever reaches this server may give, read and delete jobs: CAGENT_ALLOW_NO_KEYS is set"
        );
    } else if jobs.list_keys().iter().any(works) {
        tracing::info!("every call needs a key (docs/keys.md)");
    } else {
        let dir = settings.data_dir.display();
        tracing::warn!(
            "every call needs a key, and there is none that works; make one on this machine: \
             cagent key create NAME --data-dir {dir}"
        );
    }
}

/// The networks that are not public are narrow; what is wider was not meant for one of them.
pub(super) fn if_wide(allowed: &IpNet) {
    if allowed.prefix_len() < WIDEST_PRIVATE {
        tracing::warn!(
            "CAGENT_EGRESS_ALLOW has {allowed}, which opens private networks and the metadata services \
             of clouds to jobs; name the few networks that jobs need"
        );
    }
}
