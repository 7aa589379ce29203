//! From the first look at a job's desktop to the first whole picture of it.

use std::time::Instant;

use anyhow::Context as _;
use serde_json::json;
use testkit::Server;

use crate::bed::Bed;
use crate::look;
use crate::row::{Floor, Row, Statistic, Target};
use crate::stats::{Summary, millis};
use crate::xvnc::{self, Xvnc};

const ROUNDS: usize = 20;

pub(super) async fn rows(bed: &Bed) -> anyhow::Result<Vec<Row>> {
    xvnc::needed()?;
    let server = bed.server().await;
    let (mut first, mut second, mut bare) = (vec![], vec![], vec![]);
    // The first one finds cold caches, which is not what is measured.
    looks(&server).await?;
    for _ in 0..bed.times(ROUNDS) {
        let (one, two) = looks(&server).await?;
        first.push(one);
        second.push(two);
        let begun = Instant::now();
        Xvnc::start().await?.viewer().await?.frame().await?;
        bare.push(millis(begun));
    }
    let second = Summary::of(second).context("no rounds")?;
    Ok(vec![Row {
        name: "first look at a running job → its desktop".into(),
        unit: "ms".into(),
        target: Target::at_most(Statistic::Median, 150.0, "p50 ≤ 150 ms"),
        measured: Summary::of(first).context("no rounds")?,
        floors: vec![Floor::new("bare Xvnc, start → picture", Ok(bare))],
        note: format!(
            "Each of a new job that had no desktop yet, on the embedded engine. From opening the \
             link (its ticket becomes a session, then the WebSocket) until all of 1280 × 800 pixels \
             are there, uncompressed. What a browser does to show them is not in it. The second \
             look takes {:.1} ms.",
            second.median
        ),
    }])
}

/// How long the first look at a new job takes, and the second.
async fn looks(server: &Server) -> anyhow::Result<(f64, f64)> {
    let runbook = "```sh\necho ready; sleep 1000\n```\n";
    let job = look::begin(server, &json!({ "prompt": runbook, "mode": "runbook" })).await?;
    let mut took = [0.0; 2];
    for took in &mut took {
        let link = look::link(server, job, "watch").await?;
        let begun = Instant::now();
        look::open(&link, "watch").await?.frame().await?;
        *took = millis(begun);
    }
    look::end(server, job).await?;
    Ok(took.into())
}
