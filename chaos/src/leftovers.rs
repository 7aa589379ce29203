//! What must not be there when every job is over: looked for where the machine keeps such things, not
//! where the server says.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use types::JobId;

use crate::processes;
use crate::site::Site;

/// What resists its removal is tried again by the server every minute.
const PATIENCE: Duration = Duration::from_secs(75);

const LOOK: Duration = Duration::from_millis(200);

/// What a finished job's folder may hold.
const KEPT: [&str; 3] = ["output.zip", "stderr.log", "stdout.log"];

/// Waits until there is nothing, and tells what there is if that takes too long.
pub(crate) async fn left(
    site: &Site,
    jobs: &BTreeSet<JobId>,
    counts: impl Fn(&String) -> bool,
) -> Vec<String> {
    let begun = Instant::now();
    loop {
        let found: Vec<_> = look(site, jobs).into_iter().filter(&counts).collect();
        if found.is_empty() || begun.elapsed() > PATIENCE {
            return found;
        }
        sleep(LOOK).await;
    }
}

/// Everything that is left right now.
pub(crate) fn look(site: &Site, jobs: &BTreeSet<JobId>) -> Vec<String> {
    let server = site.orchestrator.pid().ok();
    let mut found = processes::left(&site.data, site.uids(), server);
    found.extend(mounts(&site.data));
    found.extend(loop_devices(&site.data, server.is_some()));
    found.extend(groups(jobs));
    found.extend(uids(&site.data));
    found.extend(folders(&site.data, jobs));
    found.extend(site.containers());
    found
}

fn mounts(data: &Path) -> Vec<String> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let beneath = format!("{}/", data.display());
    table
        .lines()
        .filter(|line| line.contains(&beneath))
        .map(|line| format!("mount {line}"))
        .collect()
}

/// A running server has a few in stock, of files without a name.
fn loop_devices(data: &Path, has_stock: bool) -> Vec<String> {
    let devices = fs::read_dir("/sys/block").into_iter().flatten().flatten();
    let file =
        |device: fs::DirEntry| fs::read_to_string(device.path().join("loop/backing_file")).ok();
    let ours = devices.filter_map(file).filter(|file| Path::new(file.trim()).starts_with(data));
    let left = ours.filter(|file| !(has_stock && file.trim().ends_with("(deleted)")));
    left.map(|file| format!("loop device of {}", file.trim())).collect()
}

fn groups(jobs: &BTreeSet<JobId>) -> Vec<String> {
    let mut found = vec![];
    descend(Path::new("/sys/fs/cgroup"), 6, &mut |path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if jobs.iter().any(|job| name.contains(&job.to_string())) {
            found.push(format!("cgroup {}", path.display()));
        }
    });
    found
}

fn descend(dir: &Path, depth: u32, see: &mut impl FnMut(&Path)) {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        see(&entry.path());
        if depth > 0 {
            descend(&entry.path(), depth - 1, see);
        }
    }
}

/// Leases of uids whose sandbox is still there; those without are void.
fn uids(data: &Path) -> Vec<String> {
    let leases = fs::read_dir("/run/cagent/uids").into_iter().flatten().flatten();
    let ours = leases.filter_map(|lease| {
        let note = fs::read_link(lease.path()).ok()?;
        let folder = Path::new("/").join(note.iter().skip(1).collect::<PathBuf>());
        let holds = folder.starts_with(data) && folder.exists();
        holds.then(|| format!("uids {} of {}", lease.path().display(), folder.display()))
    });
    ours.collect()
}

fn folders(data: &Path, jobs: &BTreeSet<JobId>) -> Vec<String> {
    let mut found = vec![];
    for home in ["sandboxes", "docker"] {
        let left = names(&data.join(home))
            .into_iter()
            .filter(|name| name != "owner" && name != "owner-of");
        found.extend(left.map(|name| format!("folder {home}/{name}")));
    }
    for job in names(&data.join("jobs")) {
        if !job.parse().is_ok_and(|id: JobId| jobs.contains(&id)) {
            found.push(format!("folder jobs/{job} of no job"));
        }
        let surplus = names(&data.join("jobs").join(&job));
        let surplus = surplus.into_iter().filter(|name| !KEPT.contains(&name.as_str()));
        found.extend(surplus.map(|name| format!("file jobs/{job}/{name}")));
    }
    found
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
