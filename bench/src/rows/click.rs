//! From a click to what it changes on the screen.

use std::time::Instant;

use anyhow::Context as _;

use crate::bed::Bed;
use crate::look;
use crate::rfb::{Pixel, Viewer};
use crate::row::{Floor, Row, Statistic, Target};
use crate::stats::{Summary, millis};
use crate::xvnc::{self, Xvnc};

const ROUNDS: usize = 60;
/// Changes its colour at each click, which the terminal reports as six bytes.
const CLICKED: &str = "xterm -xrm 'xterm*color1: #c00000' -xrm 'xterm*color4: #0000c0' \
                       -geometry 120x40+0+0 -e bash -c 'stty -icanon -echo; printf \"\\e[?9h\"; c=1; while :; do \
                       printf \"\\e[4${c}m\\e[2J\"; read -rsn6 _; c=$((5-c)); done'";
const RED: Pixel = [0, 0, 0xc0, 0];
/// Where it is clicked, and where one looks: the pointer is not in the way.
const HERE: (u16, u16) = (200, 200);
const THERE: (u16, u16) = (300, 300);

/// Somebody with a mouse.
struct Hand {
    viewer: Viewer,
    sees: Pixel,
    times: Vec<f64>,
}

pub(super) async fn rows(bed: &Bed) -> anyhow::Result<Vec<Row>> {
    xvnc::needed()?;
    let server = bed.server().await;
    let job = look::show(&server, CLICKED).await?;
    let link = look::link(&server, job, "control").await?;
    let mut ours = Hand::new(look::open(&link, "control").await?).await?;
    let mut screen = Xvnc::start().await?;
    screen.show(CLICKED)?;
    let mut bare = Hand::new(screen.viewer().await?).await?;
    for _ in 0..bed.times(ROUNDS) {
        ours.click().await?;
        bare.click().await?;
    }
    Ok(vec![Row {
        name: "a click → what it changes on the screen".into(),
        unit: "ms".into(),
        target: Target::at_most(Statistic::Median, 50.0, "p50 ≤ 50 ms"),
        measured: Summary::of(ours.times).context("no rounds")?,
        floors: vec![Floor::new("bare Xvnc, the same window", Ok(bare.times))],
        note: "Over the WebSocket that noVNC uses, on loopback: from sending the click until the \
               frame is there in which an xterm, 720 × 520 pixels, has another colour. What a browser \
               does to show it is not in it."
            .into(),
    }])
}

impl Hand {
    /// Waits until there is something to click at.
    async fn new(mut viewer: Viewer) -> anyhow::Result<Self> {
        viewer.ask(false).await?;
        let sees = viewer.until(THERE, |pixel| pixel == RED).await?;
        let mut hand = Self { viewer, sees, times: vec![] };
        // At the first click the window comes forward, which is not what is measured.
        for _ in 0..2 {
            hand.click().await?;
        }
        hand.times.clear();
        Ok(hand)
    }

    async fn click(&mut self) -> anyhow::Result<()> {
        let before = self.sees;
        let begun = Instant::now();
        self.viewer.click(HERE).await?;
        self.sees = self.viewer.until(THERE, |pixel| pixel != before).await?;
        self.times.push(millis(begun));
        Ok(())
    }
}
