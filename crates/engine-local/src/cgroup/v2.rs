//! The files of version 2: one hierarchy for all controllers.

use std::path::{Path, PathBuf};

use types::Limits;

use super::group::{Group, Reading, Setting};
use super::{CPU_PERIOD_US, Controller, Place, cpu_quota_us};

/// Where processes go that must not be in a cgroup with others beneath it.
const LEAF: &str = "cagent-leaf";

/// The unit in `deploy/` whose cgroup systemd leaves to us. The server's own will not do: systemd
/// starts a service again in the service's cgroup, which fails while that has limited ones beneath.
const UNIT: &str = "cagent-sandboxes.service";

/// The cgroups beneath which a process in `own` may be able to make others, best first.
pub(super) fn candidates(own: &Path) -> Vec<PathBuf> {
    let is_cgroup = |path: &Path| path.join("cgroup.procs").exists();
    let top = own.ancestors().take_while(|path| is_cgroup(path)).last().unwrap_or(own);
    let base = if own.ends_with(LEAF) { own.parent().unwrap_or(own) } else { own };
    let units = [own.with_file_name(UNIT), top.join("system.slice").join(UNIT)];
    let mut all: Vec<_> = units.into_iter().filter(|unit| is_cgroup(unit)).collect();
    all.push(base.into());
    // Where root has a cgroup that it shares with others, such as that of a login. systemd does not
    // mind another tenant there: Docker and LXC do the same.
    all.push(top.into());
    all.dedup();
    all
}

/// Whether the cgroup may use this controller. Measuring processor time needs none.
pub(super) fn offers(own: &Path, controller: Controller) -> bool {
    let offered = std::fs::read_to_string(own.join("cgroup.controllers")).unwrap_or_default();
    offered.split_whitespace().any(|name| name == controller.name())
        || (controller == Controller::Cpuacct && own.join("cgroup.controllers").exists())
}

/// Lets a cgroup give its controllers to those beneath it, which only the root of all can while it
/// has processes: this one moves into a leaf, as does all that is in our unit. Moves nobody else,
/// and changes nothing if somebody else is there: giving a part of the controllers would make a
/// threaded cgroup of theirs. What came of it is seen when a cgroup is tried out.
pub(super) fn make_room(cgroup: &Path, pid: u32) {
    let pids = std::fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
    let ours = |line: &str| cgroup.ends_with(UNIT) || line.parse() == Ok(pid);
    // The root of all has no type.
    if cgroup.join("cgroup.type").exists() {
        if !pids.lines().all(ours) {
            return;
        }
        let leaf = cgroup.join(LEAF);
        for pid in pids.lines() {
            let made = std::fs::create_dir_all(&leaf);
            let _ = made.and_then(|()| std::fs::write(leaf.join("cgroup.procs"), pid));
        }
    }
    enable(cgroup);
}

/// Gives the cgroups beneath every controller that is to be had; one at a time, because one that is
/// refused would take the others with it.
pub(super) fn enable(cgroup: &Path) {
    let control = cgroup.join("cgroup.subtree_control");
    let offered = std::fs::read_to_string(cgroup.join("cgroup.controllers")).unwrap_or_default();
    let wanted = offered.split_whitespace().filter(|name| ["memory", "pids", "cpu"].contains(name));
    for name in wanted {
        // What was refused is seen when a cgroup is tried out.
        let _ = std::fs::write(&control, format!("+{name}"));
    }
}

/// The cgroup of one sandbox.
pub(super) fn group(place: &Place, name: &str, limits: &Limits) -> Group {
    let mut group = Group::new(place, name);
    let dir = |c| place.parents.get(&c).map(|parent| parent.join(name));
    if let Some(dir) = dir(Controller::Memory) {
        group.settings.push(Setting::needed(dir.join("memory.max"), limits.memory_bytes));
        group.settings.push(Setting::if_there(dir.join("memory.swap.max"), 0));
        group.memory = Some(Reading::whole(dir.join("memory.current")));
        group.memory_peak = Some(Reading::whole(dir.join("memory.peak")));
        group.oom_kills = Some(Reading::keyed(dir.join("memory.events"), "oom_kill"));
    }
    if let Some(dir) = dir(Controller::Pids) {
        group.settings.push(Setting::needed(dir.join("pids.max"), limits.processes.into()));
        group.processes = Some(Reading::whole(dir.join("pids.current")));
        group.processes_peak = Some(Reading::whole(dir.join("pids.peak")));
        group.processes_refused = Some(Reading::keyed(dir.join("pids.events"), "max"));
    }
    if let Some(dir) = dir(Controller::Cpu) {
        let quota = format!("{} {CPU_PERIOD_US}", cpu_quota_us(limits.cpus));
        group.settings.push(Setting { file: dir.join("cpu.max"), value: quota, optional: false });
        let throttled = Reading::keyed(dir.join("cpu.stat"), "throttled_usec");
        group.cpu_throttled_ms = Some(throttled.divided_by(1000));
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
            ("memory.current", "2048\n"),
            ("memory.peak", "4096\n"),
            ("memory.events", "low 0\noom 1\noom_kill 3\n"),
            ("cpu.stat", "usage_usec 7500\nuser_usec 1\nthrottled_usec 2500\n"),
            ("pids.current", "3\n"),
            ("pids.peak", "5\n"),
            ("pids.events", "max 2\n"),
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
            memory_bytes: Some(2048),
            memory_peak_bytes: Some(4096),
            oom_kills: Some(3),
            cpu_throttled_ms: Some(2),
            processes: Some(3),
            processes_peak: Some(5),
            processes_refused: Some(2),
            ..Usage::default()
        };
        assert_eq!(group.usage(), usage);
    }

    #[test]
    fn gives_every_offered_controller_to_the_cgroups_beneath() {
        let (own, _) = tree(&["cpuset", "memory", "pids"]);
        enable(own.path());
        let control = fs::read_to_string(own.path().join("cgroup.subtree_control")).unwrap();
        assert_eq!(control, "+pids", "a plain file keeps the last write only");
    }

    #[test]
    fn our_unit_comes_first_and_the_top_last() {
        let tree = tempfile::tempdir().unwrap();
        let cgroup = |path: &str| {
            let path = tree.path().join(path);
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join("cgroup.procs"), "").unwrap();
            path
        };
        let (top, _, own) = (cgroup("top"), cgroup("top/system.slice"), cgroup("top/a.scope"));
        assert_eq!(candidates(&top), [top.as_path()]);
        assert_eq!(candidates(&own), [own.as_path(), &top]);
        assert_eq!(candidates(&cgroup("top/a.scope/cagent-leaf")), [own.as_path(), &top]);
        let unit = cgroup(&format!("top/system.slice/{UNIT}"));
        assert_eq!(candidates(&own), [unit.as_path(), &own, &top]);
        let server = cgroup("top/system.slice/cagent.service");
        assert_eq!(candidates(&server), [unit.as_path(), &server, &top]);
    }

    #[test]
    fn this_process_makes_room_and_strangers_are_left_alone() {
        let (own, _) = tree(&["pids"]);
        let at = |file: &str| own.path().join(file);
        let control = || fs::read_to_string(at("cgroup.subtree_control")).unwrap();
        fs::write(at("cgroup.type"), "domain\n").unwrap();
        fs::write(at("cgroup.procs"), "7\n42\n").unwrap();
        make_room(own.path(), 42);
        assert_eq!((control().as_str(), at(LEAF).exists()), ("", false));
        fs::write(at("cgroup.procs"), "42\n").unwrap();
        make_room(own.path(), 42);
        assert_eq!(control(), "+pids");
        assert_eq!(fs::read_to_string(at(LEAF).join("cgroup.procs")).unwrap(), "42");
    }

    #[test]
    fn what_is_not_delegated_is_not_used() {
        let (_own, place) = tree(&["pids"]);
        let limited: Vec<_> = place.parents.keys().copied().collect();
        assert_eq!(limited, [Controller::Pids, Controller::Cpuacct]);
    }
}
