//! The files of version 2: one hierarchy for all controllers.

use std::path::Path;

use types::Limits;

use super::group::{Group, Reading, Setting};
use super::{CPU_PERIOD_US, Controller, Place, cpu_quota_us};

/// Where the orchestrator itself goes if its cgroup must be free of processes. Under systemd,
/// `DelegateSubgroup=` in the unit does the same.
const LEAF: &str = "cagent-orchestrator";

/// Whether the cgroup may use this controller. Measuring processor time needs none.
pub(super) fn offers(own: &Path, controller: Controller) -> bool {
    let offered = std::fs::read_to_string(own.join("cgroup.controllers")).unwrap_or_default();
    offered.split_whitespace().any(|name| name == controller.name())
        || (controller == Controller::Cpuacct && own.join("cgroup.controllers").exists())
}

/// Lets the cgroup above `parent` give its controllers to `parent`. A cgroup with processes of its
/// own cannot do that: then this process moves into a leaf, and back if that was no help.
/// What came of it is seen when a cgroup is tried out.
pub(super) fn make_room(parent: &Path, pid: u32) {
    let Some(own) = parent.parent() else { return };
    if enable(own) {
        return;
    }
    let leaf = own.join(LEAF);
    let moved = std::fs::create_dir_all(&leaf).is_ok()
        && std::fs::write(leaf.join("cgroup.procs"), pid.to_string()).is_ok();
    if moved && !enable(own) {
        let _ = std::fs::write(own.join("cgroup.procs"), pid.to_string());
        let _ = std::fs::remove_dir(&leaf);
    }
}

/// Gives the cgroups beneath every controller that is to be had; one at a time, because one that is
/// refused would take the others with it.
pub(super) fn enable(cgroup: &Path) -> bool {
    let control = cgroup.join("cgroup.subtree_control");
    let offered = std::fs::read_to_string(cgroup.join("cgroup.controllers")).unwrap_or_default();
    let wanted = offered.split_whitespace().filter(|name| ["memory", "pids", "cpu"].contains(name));
    wanted.map(|name| std::fs::write(&control, format!("+{name}"))).all(|written| written.is_ok())
}

/// The cgroup of one sandbox.
pub(super) fn group(place: &Place, name: &str, limits: &Limits) -> Group {
    let mut group = Group::new(place, name);
    let dir = |c| place.parents.get(&c).map(|parent| parent.join(name));
    if let Some(dir) = dir(Controller::Memory) {
        group.settings.push(Setting::needed(dir.join("memory.max"), limits.memory_bytes));
        group.settings.push(Setting::if_there(dir.join("memory.swap.max"), 0));
        group.memory_peak = Some(Reading::whole(dir.join("memory.peak")));
        group.oom_kills = Some(Reading::keyed(dir.join("memory.events"), "oom_kill"));
    }
    if let Some(dir) = dir(Controller::Pids) {
        group.settings.push(Setting::needed(dir.join("pids.max"), limits.processes.into()));
    }
    if let Some(dir) = dir(Controller::Cpu) {
        let quota = format!("{} {CPU_PERIOD_US}", cpu_quota_us(limits.cpus));
        group.settings.push(Setting { file: dir.join("cpu.max"), value: quota, optional: false });
    }
    if let Some(dir) = dir(Controller::Cpuacct) {
        let stat = Reading::keyed(dir.join("cpu.stat"), "usage_usec");
        group.cpu_ms = Some(stat.divided_by(1000));
    }
    group
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use types::Usage;

    /// A cgroup as the kernel would lay it out, the sandbox's own files made beforehand: a plain
    /// directory does not fill itself.
    fn tree(names: &[&str]) -> (tempfile::TempDir, Place) {
        let own = tempfile::tempdir().unwrap();
        let parent = own.path().join("cagent");
        for dir in [own.path().to_owned(), parent.clone(), parent.join("job")] {
            fs::create_dir_all(&dir).unwrap();
            fs::write(dir.join("cgroup.controllers"), names.join(" ")).unwrap();
            fs::write(dir.join("cgroup.subtree_control"), "").unwrap();
        }
        let all = Controller::ALL.into_iter().filter(|c| offers(own.path(), *c));
        let parents = all.map(|controller| (controller, parent.clone())).collect();
        (own, Place { unified: true, parents })
    }

    #[test]
    fn writes_the_limits_and_reads_the_usage() {
        let (own, place) = tree(&["cpu", "memory", "pids"]);
        let job = own.path().join("cagent/job");
        for (file, text) in [
            ("memory.max", ""),
            ("memory.swap.max", ""),
            ("pids.max", ""),
            ("cpu.max", ""),
            ("cgroup.procs", ""),
            ("memory.peak", "4096\n"),
            ("memory.events", "low 0\noom 1\noom_kill 3\n"),
            ("cpu.stat", "usage_usec 7500\nuser_usec 1\n"),
        ] {
            fs::write(job.join(file), text).unwrap();
        }
        let limits = Limits { cpus: 0.5, memory_bytes: 1 << 20, processes: 9, ..Limits::default() };
        let group = place.group("job", &limits);
        group.limit().unwrap();
        group.join(42).unwrap();
        let written = |file| fs::read_to_string(job.join(file)).unwrap();
        assert_eq!(written("memory.max"), "1048576");
        assert_eq!(written("memory.swap.max"), "0");
        assert_eq!(written("pids.max"), "9");
        assert_eq!(written("cpu.max"), "50000 100000");
        assert_eq!(written("cgroup.procs"), "42");
        let usage = Usage {
            cpu_ms: Some(7),
            memory_peak_bytes: Some(4096),
            oom_kills: Some(3),
            ..Usage::default()
        };
        assert_eq!(group.usage(), usage);
    }

    #[test]
    fn gives_every_offered_controller_to_the_cgroups_beneath() {
        let (own, _) = tree(&["cpuset", "memory", "pids"]);
        assert!(enable(own.path()));
        let control = fs::read_to_string(own.path().join("cgroup.subtree_control")).unwrap();
        assert_eq!(control, "+pids", "a plain file keeps the last write only");
    }

    #[test]
    fn what_is_not_delegated_is_not_used() {
        let (_own, place) = tree(&["pids"]);
        let limited: Vec<_> = place.parents.keys().copied().collect();
        assert_eq!(limited, [Controller::Pids, Controller::Cpuacct]);
    }
}
