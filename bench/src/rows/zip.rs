//! Packing a workspace, beside `zip -r`: how fast, how small, and in how much memory.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

use crate::bed::Bed;
use crate::pack::Packed;
use crate::row::{Floor, Row, Statistic, Target};
use crate::stats::{Summary, millis};
use crate::tree;

const ROUNDS: usize = 5;
/// Files of 1 MiB of the two trees that show what memory depends on.
const FEW: usize = 100;
const MANY: usize = 1000;

pub(super) fn rows(bed: &Bed) -> anyhow::Result<Vec<Row>> {
    let dir = TempDir::new()?;
    let tree = dir.path().join("tree");
    let bytes = tree::sources(&tree, &bed.cagent, if bed.quick { 1 } else { 20 })?;
    let mut both = Both::default();
    for _ in 0..bed.times(ROUNDS) {
        both.measure(&tree, dir.path())?;
    }
    let speed = bytes as f64 / 1e6;
    let per_second = |times: &[f64]| times.iter().map(|ms| speed / (ms / 1e3)).collect::<Vec<_>>();
    let zip_speed = Summary::of(per_second(&both.zip_millis)).context("zip was not run")?.median;
    let ratios = both.sizes.iter().zip(&both.zip_sizes).map(|(ours, zip)| ours / zip).collect();
    let what = format!("{speed:.0} MB of sources and programs");
    Ok(vec![
        Row {
            name: "ZIP: speed of packing".into(),
            unit: "MB/s".into(),
            target: Target::at_least(Statistic::Median, 1.5 * zip_speed, "≥ 1.5 × zip -r"),
            measured: Summary::of(per_second(&both.millis)).context("no rounds")?,
            floors: vec![Floor::new("zip -r", Ok(per_second(&both.zip_millis)))],
            note: format!("Of {what}; each in a process of its own, from its start to its end."),
        },
        Row {
            name: "ZIP: size".into(),
            unit: "× zip -r".into(),
            target: Target::at_most(Statistic::Max, 1.05, "≤ 1.05 × zip -r"),
            measured: Summary::of(ratios).context("no rounds")?,
            floors: vec![],
            note: "Of the same tree.".into(),
        },
        memory(bed, dir.path())?,
    ])
}

fn memory(bed: &Bed, dir: &Path) -> anyhow::Result<Row> {
    let (few, many) = if bed.quick { (2, 20) } else { (FEW, MANY) };
    let mut peaks = vec![];
    for files in [few, many] {
        let tree = dir.join(files.to_string());
        tree::megabytes(&tree, files)?;
        peaks.push(packed(&tree, dir)?.peak_mib);
        std::fs::remove_dir_all(&tree)?;
    }
    Ok(Row {
        name: format!("ZIP: peak memory of packing {many} MiB"),
        unit: "MiB".into(),
        target: Target::at_most(
            Statistic::Max,
            1.25 * peaks[0],
            format!("flat: ≤ 1.25 × {few} MiB's"),
        ),
        measured: Summary::of(vec![peaks[1]]).context("one")?,
        floors: vec![Floor::new(format!("packing {few} MiB"), Ok(vec![peaks[0]]))],
        note: "Peak resident memory of a process that does nothing else.".into(),
    })
}

/// What came of packing the same tree with both.
#[derive(Default)]
struct Both {
    millis: Vec<f64>,
    sizes: Vec<f64>,
    zip_millis: Vec<f64>,
    zip_sizes: Vec<f64>,
}

impl Both {
    fn measure(&mut self, tree: &Path, dir: &Path) -> anyhow::Result<()> {
        let begun = Instant::now();
        let ours = packed(tree, dir)?;
        self.millis.push(millis(begun));
        self.sizes.push(ours.zip_bytes as f64);
        let target = dir.join("theirs.zip");
        let begun = Instant::now();
        zip(tree, &target)?;
        self.zip_millis.push(millis(begun));
        self.zip_sizes.push(std::fs::metadata(&target)?.len() as f64);
        std::fs::remove_file(&target)?;
        Ok(())
    }
}

/// Packs with our library, in a process that does nothing else.
fn packed(tree: &Path, dir: &Path) -> anyhow::Result<Packed> {
    let target = dir.join("ours.zip");
    let mut command = Command::new(std::env::current_exe()?);
    let output = command.arg("pack").arg(tree).arg(&target).stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "bench pack: {}", output.status);
    std::fs::remove_file(&target)?;
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn zip(tree: &Path, target: &Path) -> anyhow::Result<()> {
    let mut command = Command::new("zip");
    let output = command.args(["-r", "-q"]).arg(target).arg(".").current_dir(tree).output();
    let output = output.context("start zip; is it installed?")?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "zip: {}: {said}", output.status);
    File::open(target)?.sync_all()?;
    Ok(())
}
