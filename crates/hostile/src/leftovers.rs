//! What must not be there when every job is over, looked for where the machine keeps such things.

use std::fs;
use std::ops::Range;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use testkit::docker::Daemon;
use tokio::time::sleep;
use types::JobId;

use crate::Engine;

/// What resists its removal is tried again by the server every minute.
const PATIENCE: Duration = Duration::from_secs(75);

const LOOK: Duration = Duration::from_millis(100);

/// Waits until there is nothing, and tells what there is if that takes too long.
pub(crate) async fn wait(look: impl Fn() -> Vec<String>) -> Vec<String> {
    let begun = Instant::now();
    loop {
        let found = look();
        if found.is_empty() || begun.elapsed() > PATIENCE {
            return found;
        }
        sleep(LOOK).await;
    }
}

/// Everything that is left right now.
pub(crate) fn look(data: &Path, uids: Range<u32>, jobs: &[JobId], engine: Engine) -> Vec<String> {
    let mut found = processes(data, &uids);
    found.extend(mounts(data));
    found.extend(groups(Path::new("/sys/fs/cgroup"), jobs, 6));
    found.extend(folders(data));
    if let (Engine::Docker, Some(owner)) = (engine, owner(data)) {
        let left = Daemon::usual().left_of(&owner);
        found.extend(left.into_iter().map(|id| format!("container or volume {id}")));
    }
    found
}

/// By which Docker's containers are known.
pub(crate) fn owner(data: &Path) -> Option<String> {
    fs::read_to_string(data.join("docker/owner")).ok()
}

/// Programs from the data directory, and processes with one of its uids.
fn processes(data: &Path, uids: &Range<u32>) -> Vec<String> {
    let describe = |pid: String| {
        let owner = fs::metadata(format!("/proc/{pid}")).ok()?.uid();
        let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?.replace('\0', " ");
        let is_ours = uids.contains(&owner) || line.starts_with(&*data.to_string_lossy());
        is_ours.then(|| format!("process {pid}: {line}"))
    };
    names(Path::new("/proc"))
        .into_iter()
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        .filter_map(describe)
        .collect()
}

fn mounts(data: &Path) -> Vec<String> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let beneath = format!("{}/", data.display());
    let ours = table.lines().filter(|line| line.contains(&beneath));
    ours.map(|line| format!("mount {line}")).collect()
}

fn groups(dir: &Path, jobs: &[JobId], depth: u32) -> Vec<String> {
    let mut found = vec![];
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if jobs.iter().any(|job| name.contains(&job.to_string())) {
            found.push(format!("cgroup {}", entry.path().display()));
        } else if depth > 0 {
            found.extend(groups(&entry.path(), jobs, depth - 1));
        }
    }
    found
}

fn folders(data: &Path) -> Vec<String> {
    let homes = ["sandboxes", "docker"].into_iter();
    let of = |home: &str| {
        names(&data.join(home)).into_iter().map(|name| format!("{home}/{name}")).collect::<Vec<_>>()
    };
    let left = homes.flat_map(of).filter(|name| !name.starts_with("docker/owner"));
    left.map(|name| format!("folder {name}")).collect()
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
