//! The processes of sandboxes.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use anyhow::Context as _;

/// Every process of the sandboxes on this data directory: the helpers, which are started from there,
/// and all that descend from them.
pub(crate) fn of(data: &Path) -> anyhow::Result<BTreeSet<i32>> {
    let all = processes()?;
    let is_helper = |pid: &i32| {
        std::fs::read(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|line| line.starts_with(data.as_os_str().as_bytes()))
    };
    let mut found: BTreeSet<i32> = all.iter().map(|(pid, _)| *pid).filter(is_helper).collect();
    let mut size = 0;
    while found.len() > size {
        size = found.len();
        let children = all.iter().filter(|(_, parent)| found.contains(parent));
        let children: Vec<i32> = children.map(|(pid, _)| *pid).collect();
        found.extend(children);
    }
    Ok(found)
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
