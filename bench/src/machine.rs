//! What was measured on: numbers mean nothing without it.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::bed::Bed;
use crate::missing::Missing;
use crate::stats::{Summary, millis};

const FSYNCS: usize = 100;

/// Facts of a machine and of the program that was measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) date: Timestamp,
    pub(crate) version: String,
    pub(crate) commit: String,
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) memory_mib: f64,
    pub(crate) kernel: String,
    /// `v1`, `hybrid` or `v2`.
    pub(crate) cgroup: String,
    /// Of the data directories.
    pub(crate) file_system: String,
    /// Writing 4 KiB and syncing them, there, in milliseconds.
    pub(crate) fsync: Summary,
    pub(crate) as_root: bool,
    /// How many processes wanted to run in the minute before: on a machine that has other work, all
    /// numbers are worse, those of the floors too.
    pub(crate) load_before: String,
}

impl Machine {
    /// # Errors
    /// When the data directories would lie in memory: that would flatter every number.
    pub(crate) fn look(bed: &Bed) -> anyhow::Result<Self> {
        let dir = std::env::temp_dir();
        let mounts = std::fs::read_to_string("/proc/self/mounts")?;
        let file_system = file_system(&mounts, &dir.canonicalize()?).unwrap_or("unknown");
        ensure!(
            bed.quick || file_system != "tmpfs",
            "{} is memory, not a disk; name a directory on a disk: TMPDIR=/var/tmp make bench",
            dir.display()
        );
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let kernel = rustix::system::uname();
        let (cpu, load) = (read("/proc/cpuinfo"), read("/proc/loadavg"));
        Ok(Self {
            date: Timestamp::now(),
            version: said(Command::new(&bed.cagent).arg("--version"))?,
            commit: commit(),
            cpu: field(&cpu, "model name").unwrap_or("unknown").to_owned(),
            cores: bed.cores,
            memory_mib: mebibytes(&read("/proc/meminfo"), "MemTotal:")?,
            kernel: kernel.release().to_string_lossy().into_owned(),
            cgroup: cgroup(&mounts).to_owned(),
            file_system: file_system.to_owned(),
            fsync: fsync(&dir)?,
            as_root: rustix::process::geteuid().is_root(),
            load_before: load.split(' ').next().unwrap_or_default().to_owned(),
        })
    }
}

/// What a process has in memory, shared pages of its program included, in MiB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    pub(crate) resident: f64,
    /// The most that ever was.
    pub(crate) peak: f64,
}

impl Memory {
    /// Of this process, now.
    pub(crate) fn of(pid: u32) -> anyhow::Result<Self> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let field = |name| mebibytes(&status, name);
        Ok(Self { resident: field("VmRSS:")?, peak: field("VmHWM:")? })
    }
}

/// What these processes have in memory together, each page that they share with others divided among
/// all that have it, in MiB. What has ended has nothing.
///
/// # Errors
/// [`Missing`] where an ordinary user may not look.
pub(crate) fn proportional<'a>(pids: impl IntoIterator<Item = &'a i32>) -> anyhow::Result<f64> {
    let of = |pid: &i32| match std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) {
        Ok(text) => mebibytes(&text, "Pss:"),
        Err(e) if e.kind() == ErrorKind::PermissionDenied => Err(Missing::of(
            "an ordinary user may not see what memory others' processes have; run it as root",
        )),
        Err(_) => Ok(0.0),
    };
    pids.into_iter().map(of).sum()
}

/// A field of `/proc/PID/status` or `/proc/meminfo`, which count KiB, in MiB.
fn mebibytes(text: &str, name: &str) -> anyhow::Result<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|rest| rest.split_whitespace().next());
    let kib: f64 = kib.with_context(|| format!("there is no {name}"))?.parse()?;
    Ok(kib / 1024.0)
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let value = |line: &'a str| line.split_once(':').map(|(_, value)| value.trim());
    text.lines().find(|line| line.starts_with(name)).and_then(value)
}

/// The type of the file system a directory lies on: that of the deepest mount above it.
fn file_system<'a>(mounts: &'a str, dir: &Path) -> Option<&'a str> {
    let mount = |line: &'a str| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?, words.next()?))
    };
    let above = mounts.lines().filter_map(mount).filter(|(path, _)| dir.starts_with(path));
    // Of two mounts on one another the later one is seen.
    above.max_by_key(|(path, _)| path.len()).map(|(_, kind)| kind)
}

fn cgroup(mounts: &str) -> &'static str {
    let has = |kind| mounts.lines().any(|line| line.split(' ').nth(2) == Some(kind));
    match (has("cgroup"), has("cgroup2")) {
        (true, true) => "hybrid",
        (true, false) => "v1",
        (false, true) => "v2",
        (false, false) => "none",
    }
}

fn fsync(dir: &Path) -> anyhow::Result<Summary> {
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    let file: &mut File = file.as_file_mut();
    let mut times = vec![];
    for _ in 0..FSYNCS {
        let begun = Instant::now();
        file.write_all(&[7; 4096])?;
        file.sync_all()?;
        times.push(millis(begun));
    }
    Summary::of(times).context("no syncs")
}

/// What is checked out, or nothing where there is no git.
fn commit() -> String {
    let mut git = Command::new("git");
    git.args(["describe", "--always", "--dirty", "--exclude", "*"]);
    said(git.current_dir(env!("CARGO_MANIFEST_DIR"))).unwrap_or_default()
}

fn said(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("start {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "overlay / overlay rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n\
                          cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n";

    #[test]
    fn the_deepest_mount_counts() {
        let of = |dir: &str| file_system(MOUNTS, Path::new(dir));
        assert_eq!(of("/tmp/x"), Some("tmpfs"));
        assert_eq!(of("/tmpx"), Some("overlay"));
    }

    #[test]
    fn cgroups_have_a_version() {
        assert_eq!(cgroup(MOUNTS), "v2");
        assert_eq!(cgroup(&format!("{MOUNTS}cgroup /a cgroup rw 0 0\n")), "hybrid");
        assert_eq!(cgroup(""), "none");
    }

    #[test]
    fn kibibytes_become_mebibytes() {
        let status = "Name:\tx\nVmHWM:\t    4096 kB\nVmRSS:\t    2048 kB\n";
        assert_eq!(mebibytes(status, "VmRSS:").unwrap(), 2.0);
        assert!(mebibytes(status, "VmSwap:").is_err());
    }
}
