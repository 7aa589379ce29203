//! A picture of a job's desktop, by the API.

use std::time::Instant;

use anyhow::{Context as _, ensure};
use bytes::Bytes;

use crate::bed::Bed;
use crate::http::Http;
use crate::look;
use crate::row::{Floor, Row, Statistic, Target};
use crate::stats::{Summary, millis};
use crate::xvnc::{self, Xvnc};

const ROUNDS: usize = 100;
/// A screen full of coloured text, the same on every machine.
const TEXT: &str = "xterm -geometry 210x60+0+0 -e bash -c 'for n in {1..600}; do \
                    printf \"\\e[3$((n % 8))m%s \" $((n * n * 7919)); done; sleep 1000'";
/// Where a PNG has its size.
const SIZE: std::ops::Range<usize> = 16..24;

pub(super) async fn rows(bed: &Bed) -> anyhow::Result<Vec<Row>> {
    xvnc::needed()?;
    let server = bed.server().await;
    let job = look::show(&server, TEXT).await?;
    let path = format!("/v1/jobs/{job}/screenshot.png");
    let mut http = Http::connect(&server).await?;
    let picture = still(&mut http, &path).await?;
    ensure!(picture.get(SIZE) == Some(&[0, 0, 5, 0, 0, 0, 3, 32]), "it is not 1280 × 800");
    let screen = Xvnc::start().await?;
    let mut viewer = screen.viewer().await?;
    let (mut times, mut bare) = (vec![], vec![]);
    for _ in 0..bed.times(ROUNDS) {
        let begun = Instant::now();
        http.get(&path).await?;
        times.push(millis(begun));
        let begun = Instant::now();
        viewer.frame().await?;
        bare.push(millis(begun));
    }
    Ok(vec![Row {
        name: "screenshot.png of 1280 × 800".into(),
        unit: "ms".into(),
        target: Target::at_most(Statistic::Median, 15.0, "p50 ≤ 15 ms"),
        measured: Summary::of(times).context("no rounds")?,
        floors: vec![Floor::new("bare Xvnc, the same pixels as they are", Ok(bare))],
        note: format!(
            "GET /v1/jobs/{{id}}/screenshot.png on a kept connection, after the first one. The \
             screen is full of text; the picture has {} kB.",
            picture.len() / 1000
        ),
    }])
}

/// A picture of the screen, once that does not change any more.
async fn still(http: &mut Http, path: &str) -> anyhow::Result<Bytes> {
    let (mut before, mut seen, mut times) = (Bytes::new(), http.get(path).await?, 0);
    // An empty screen is still, too.
    while times < 5 || seen.len() < 20_000 {
        times = if seen == before { times + 1 } else { 0 };
        before = std::mem::replace(&mut seen, http.get(path).await?);
    }
    Ok(seen)
}
