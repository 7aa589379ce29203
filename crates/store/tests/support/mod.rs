//! What tests of the store keep in it.

use std::collections::BTreeMap;

use types::{JobSpec, Limits, Mode, Network};

pub(crate) fn spec() -> JobSpec {
    JobSpec {
        title: "hi".into(),
        prompt: "# hi\n".into(),
        mode: Mode::Runbook,
        engine: "local".into(),
        limits: Limits::default(),
        network: Network::None,
        environment: BTreeMap::new(),
        image: None,
        desktop: false,
        include_caches: false,
        model: None,
        approve: false,
        resumes: None,
    }
}
