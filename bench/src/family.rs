//! The processes of sandboxes.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use anyhow::Context as _;

/// Every process of the sandboxes on this data directory: the helpers, which are started from there,
/// and all that descend from them.
pub(crate) fn of(data: &Path) -> anyhow::Result<BTreeSet<i32>> {
    let all = processes()?;
    let helpers = all.iter().map(|(pid, _)| *pid).filter(|pid| is_helper(*pid, data)).collect();
    Ok(with_descendants(helpers, &all))
}

/// The same, each sandbox by itself.
pub(crate) fn each(data: &Path) -> anyhow::Result<Vec<BTreeSet<i32>>> {
    let all = processes()?;
    let of_sandbox =
        |(pid, parent): &&(i32, i32)| is_helper(*pid, data) && !is_helper(*parent, data);
    let first = all.iter().filter(of_sandbox);
    Ok(first.map(|(pid, _)| with_descendants([*pid].into(), &all)).collect())
}

/// A process and every one that descends from it.
pub(crate) fn below(pid: i32) -> anyhow::Result<BTreeSet<i32>> {
    Ok(with_descendants([pid].into(), &processes()?))
}

/// Whose child a process is.
pub(crate) fn parent(pid: i32) -> anyhow::Result<i32> {
    let found = processes()?.into_iter().find(|(of, _)| *of == pid);
    found.map(|(_, parent)| parent).with_context(|| format!("process {pid} has ended"))
}

fn is_helper(pid: i32, data: &Path) -> bool {
    let line = std::fs::read(format!("/proc/{pid}/cmdline"));
    line.is_ok_and(|line| line.starts_with(data.as_os_str().as_bytes()))
}

fn with_descendants(mut found: BTreeSet<i32>, all: &[(i32, i32)]) -> BTreeSet<i32> {
    let mut size = 0;
    while found.len() > size {
        size = found.len();
        let children = all.iter().filter(|(_, parent)| found.contains(parent));
        let children: Vec<i32> = children.map(|(pid, _)| *pid).collect();
        found.extend(children);
    }
    found
}

/// The one among them that is agentd, PID 1 of the only sandbox.
pub(crate) fn agentd(data: &Path) -> anyhow::Result<u32> {
    let is_agentd = |pid: &i32| {
        std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "agentd\n")
    };
    let agentd = of(data)?.into_iter().find(is_agentd);
    Ok(agentd.context("agentd runs")?.try_into()?)
}

/// Every process of the machine and its parent.
fn processes() -> anyhow::Result<Vec<(i32, i32)>> {
    let entries = std::fs::read_dir("/proc").context("list /proc")?.flatten();
    let process = |name: &str| {
        let stat = std::fs::read_to_string(format!("/proc/{name}/stat")).ok()?;
        // pid (name) state parent …; the name may hold anything.
        let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?;
        Some((name.parse().ok()?, parent.parse().ok()?))
    };
    Ok(entries.filter_map(|entry| process(entry.file_name().to_str()?)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_process_has_a_parent() {
        let me = i32::try_from(std::process::id()).unwrap();
        let parent = i32::try_from(std::os::unix::process::parent_id()).unwrap();
        assert!(processes().unwrap().contains(&(me, parent)));
    }
}
