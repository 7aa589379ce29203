use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use types::{JobId, Limits};

use super::{Group, v1, v2};

/// What all our cgroups are beneath, in the cgroup of the orchestrator.
const FOLDER: &str = "cagent";

/// Far longer than a start may take.
const OLD: Duration = Duration::from_secs(300);

/// What can be limited or measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Controller {
    Memory,
    Pids,
    Cpu,
    /// Version 1 only: there, measuring is not a part of `Cpu`.
    Cpuacct,
}

impl Controller {
    pub(super) const ALL: [Self; 4] = [Self::Memory, Self::Pids, Self::Cpu, Self::Cpuacct];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Pids => "pids",
            Self::Cpu => "cpu",
            Self::Cpuacct => "cpuacct",
        }
    }
}

/// Where sandboxes' cgroups go: for each usable controller the directory above them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(super) unified: bool,
    pub(super) parents: BTreeMap<Controller, PathBuf>,
}

/// A controller that cannot be used, and why.
#[derive(Clone, Debug)]
pub(crate) struct Missing {
    pub(crate) controller: Controller,
    pub(crate) why: String,
}

impl Place {
    /// Finds the best place for this process and tries it out. May move this process into a leaf of
    /// its cgroup, which version 2 demands before a cgroup can have children with limits.
    pub(crate) fn find() -> (Self, Vec<Missing>) {
        let read = |file| std::fs::read_to_string(file).unwrap_or_default();
        let mut best: Option<(Self, Vec<Missing>)> = None;
        for place in Self::candidates(&read("/proc/self/cgroup"), &read("/proc/self/mountinfo")) {
            let tried = place.proven();
            if tried.1.is_empty() {
                return tried;
            }
            if best.as_ref().is_none_or(|(_, missing)| tried.1.len() < missing.len()) {
                best = Some(tried);
            }
        }
        best.unwrap_or_else(|| Self::default().proven())
    }

    /// What the kernel's files say; whether it works is another question.
    pub(super) fn candidates(cgroup: &str, mountinfo: &str) -> Vec<Self> {
        let find = |c| Some((c, own_directory(cgroup, mountinfo, c, false)?.join(FOLDER)));
        let v1: BTreeMap<_, _> = Controller::ALL.into_iter().filter_map(find).collect();
        if !v1.is_empty() {
            return vec![Self { unified: false, parents: v1 }];
        }
        let own = own_directory(cgroup, mountinfo, Controller::Memory, true);
        own.iter().flat_map(|own| v2::candidates(own)).map(|base| Self::unified(&base)).collect()
    }

    fn unified(base: &Path) -> Self {
        let offered = Controller::ALL.into_iter().filter(|c| v2::offers(base, *c));
        Self { unified: true, parents: offered.map(|c| (c, base.join(FOLDER))).collect() }
    }

    /// The cgroup version in use, for people.
    pub(crate) fn version(&self) -> &'static str {
        match (self.parents.is_empty(), self.unified) {
            (true, _) => "none",
            (false, false) => "1",
            (false, true) => "2",
        }
    }

    /// The cgroups of one sandbox.
    pub(crate) fn group(&self, name: &str, limits: &Limits) -> Group {
        if self.unified { v2::group(self, name, limits) } else { v1::group(self, name, limits) }
    }

    /// Removes cgroups that nobody is in and nobody will be: those of helpers that were killed and
    /// whose data directory is gone. Between the making of one and its first process is less than a
    /// moment.
    pub(crate) fn sweep(&self) {
        let entries = self.parents.values().filter_map(|parent| std::fs::read_dir(parent).ok());
        for entry in entries.flatten().flatten() {
            let made = entry.metadata().and_then(|meta| meta.modified()).ok();
            let age = made.and_then(|made| made.elapsed().ok()).unwrap_or_default();
            let name = entry.file_name();
            if age > OLD && name.to_str().is_some_and(|name| name.parse::<JobId>().is_ok()) {
                // The kernel refuses while somebody is in it.
                let _ = std::fs::remove_dir(entry.path());
            }
        }
    }

    /// Keeps the controllers with which a cgroup can really be made and limited.
    fn proven(mut self) -> (Self, Vec<Missing>) {
        if let (true, Some(base)) = (self.unified, self.parents.values().find_map(|p| p.parent())) {
            v2::make_room(base, std::process::id());
        }
        let mut missing = Vec::new();
        for controller in Controller::ALL {
            let why = match self.parents.remove_entry(&controller) {
                Some((key, parent)) => match self.prove(key, &parent) {
                    Ok(()) => {
                        self.parents.insert(key, parent);
                        continue;
                    }
                    Err(e) => format!("cannot use {}: {e}", parent.display()),
                },
                None => "this process has no cgroup of that kind".to_string(),
            };
            missing.push(Missing { controller, why });
        }
        (self, missing)
    }

    fn prove(&self, controller: Controller, parent: &Path) -> io::Result<()> {
        let alone =
            Self { unified: self.unified, parents: [(controller, parent.to_owned())].into() };
        let group = alone.group(&format!("probe-{}", JobId::generate()), &Limits::default());
        let made = group.make();
        group.remove()?;
        made
    }
}

/// The directory of this process's own cgroup in the hierarchy that has the controller.
fn own_directory(
    cgroup: &str,
    mountinfo: &str,
    controller: Controller,
    unified: bool,
) -> Option<PathBuf> {
    let (mut root, mut mounted) = (None, None);
    for line in mountinfo.lines() {
        // id parent dev ROOT MOUNTPOINT options [tags] - TYPE source SUPER-OPTIONS
        let (left, right) = line.split_once(" - ")?;
        let right: Vec<&str> = right.split(' ').collect();
        let ours = if unified {
            right[0] == "cgroup2"
        } else {
            right[0] == "cgroup"
                && right.get(2)?.split(',').any(|option| option == controller.name())
        };
        if ours {
            let left: Vec<&str> = left.split(' ').collect();
            (root, mounted) = (Some(*left.get(3)?), Some(*left.get(4)?));
            break;
        }
    }
    let path = cgroup.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let ours = if unified {
            controllers.is_empty()
        } else {
            controllers.split(',').any(|name| name == controller.name())
        };
        ours.then_some(path)
    })?;
    let beneath = Path::new(path).strip_prefix(root?).ok()?;
    Some(Path::new(mounted?).join(beneath))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_version_1_and_hybrid() {
        let cgroup = "8:pids:/\n4:memory:/a/b\n1:cpu,cpuacct:/x\n0::/\n";
        let mounts = "\
30 1 0:1 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
31 1 0:2 /x /sys/fs/cgroup/cpu,cpuacct rw shared:1 - cgroup cgroup rw,cpu,cpuacct
32 1 0:3 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
33 1 0:4 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
";
        let [place] = &Place::candidates(cgroup, mounts)[..] else { panic!("one is enough") };
        assert!(!place.unified);
        let parent = |c| place.parents[&c].to_str().unwrap();
        assert_eq!(parent(Controller::Memory), "/sys/fs/cgroup/memory/a/b/cagent");
        assert_eq!(parent(Controller::Pids), "/sys/fs/cgroup/pids/cagent");
        assert_eq!(parent(Controller::Cpu), "/sys/fs/cgroup/cpu,cpuacct/cagent");
        assert_eq!(parent(Controller::Cpuacct), "/sys/fs/cgroup/cpu,cpuacct/cagent");
    }

    #[test]
    fn reads_version_2() {
        let tree = tempfile::tempdir().unwrap();
        let own = tree.path().join("user.slice/me");
        std::fs::create_dir_all(&own).unwrap();
        std::fs::write(own.join("cgroup.controllers"), "memory pids\n").unwrap();
        let mounts = format!("30 1 0:1 / {} rw - cgroup2 cgroup2 rw\n", tree.path().display());
        let [place] = &Place::candidates("0::/user.slice/me\n", &mounts)[..] else { panic!() };
        assert!(place.unified);
        assert_eq!(place.parents[&Controller::Memory], own.join("cagent"));
        assert!(!place.parents.contains_key(&Controller::Cpu), "not delegated");
    }

    #[test]
    fn only_old_cgroups_of_jobs_are_swept() {
        let parent = tempfile::tempdir().unwrap();
        let make = |name: &str, age: Duration| {
            std::fs::create_dir(parent.path().join(name)).unwrap();
            let dir = std::fs::File::open(parent.path().join(name)).unwrap();
            dir.set_modified(std::time::SystemTime::now() - age).unwrap();
            parent.path().join(name)
        };
        let old = make(&JobId::generate().to_string(), 2 * OLD);
        let new = make(&JobId::generate().to_string(), OLD / 2);
        let other = make("other", 2 * OLD);
        let parents = [(Controller::Memory, parent.path().to_owned())].into();
        Place { unified: false, parents }.sweep();
        assert!(!old.exists() && new.exists() && other.exists());
    }

    #[test]
    fn without_cgroups_everything_is_missing() {
        let (place, missing) = Place::default().proven();
        assert_eq!(place.version(), "none");
        assert_eq!(missing.len(), Controller::ALL.len());
    }
}
