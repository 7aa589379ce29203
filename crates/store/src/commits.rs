use std::time::Instant;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

/// How the store's transactions go, counted from when it was opened. Clones count together.
#[derive(Clone, Debug)]
pub struct Commits {
    /// How long each took from its begin until it was answered, in seconds.
    pub seconds: Histogram,
    /// How many came to nothing.
    pub failures: Counter,
}

impl Default for Commits {
    fn default() -> Self {
        // From a page in the system's cache to a disk that hangs.
        let seconds = Histogram::new(exponential_buckets(0.000_25, 4.0, 9));
        Self { seconds, failures: Counter::default() }
    }
}

impl Commits {
    pub(crate) fn note<E>(&self, began: Instant, result: &Result<(), E>) {
        self.seconds.observe(began.elapsed().as_secs_f64());
        if result.is_err() {
            self.failures.inc();
        }
    }
}
