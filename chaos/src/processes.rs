//! Processes as `/proc` shows them: who belongs to a sandbox of ours.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::process::Pid;
use types::JobId;

/// The helper of a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Helper {
    pub(crate) pid: Pid,
    pub(crate) job: JobId,
}

/// The helpers that were started from this data directory, by their jobs.
pub(crate) fn helpers(data: &Path) -> Vec<Helper> {
    let mut found: Vec<Helper> = pids().filter_map(|pid| helper(pid, data)).collect();
    found.sort_by_key(|helper| helper.job);
    found
}

/// The first process of a sandbox: its helper's child.
pub(crate) fn agent(helper: Helper) -> Option<Pid> {
    let pid = helper.pid.as_raw_nonzero();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    Pid::from_raw(children.split_whitespace().next()?.parse().ok()?)
}

/// What still runs of a data directory, for people: programs from it, processes with one of its
/// uids, and such as have a mount of it.
pub(crate) fn left(data: &Path, uids: std::ops::Range<u32>, server: Option<Pid>) -> Vec<String> {
    let ours = |pid: &Pid| {
        let read = |name| fs::read(format!("/proc/{}/{name}", pid.as_raw_nonzero()));
        let begins =
            read("cmdline").is_ok_and(|line| line.starts_with(data.as_os_str().as_bytes()));
        let status = String::from_utf8(read("status").unwrap_or_default()).unwrap_or_default();
        begins || uid(&status).is_some_and(|uid| uids.contains(&uid))
    };
    let others = pids().filter(|pid| Some(*pid) != server);
    others.filter(ours).map(describe).collect()
}

fn describe(pid: Pid) -> String {
    let pid = pid.as_raw_nonzero();
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    format!("process {pid}: {}", String::from_utf8_lossy(&line).replace('\0', " "))
}

fn helper(pid: Pid, data: &Path) -> Option<Helper> {
    let line = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).ok()?;
    if !line.starts_with(data.as_os_str().as_bytes()) {
        return None;
    }
    let mut words = line.split(|byte| *byte == 0);
    let job = words.nth(1)?;
    Some(Helper { pid, job: std::str::from_utf8(job).ok()?.parse().ok()? })
}

fn uid(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn pids() -> impl Iterator<Item = Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))
}
