//! What the embedded engine cannot do on this machine, told honestly.

use engine::EngineError;
use rustix::process::{Resource, getrlimit};
use rustix::thread::CapabilitySet;
use types::{Limits, Shortfall};

use crate::cgroup::{Controller, Missing};
use crate::inside::ENGINE;

/// The oldest kernel with all we use: `mount_setattr` (5.12), and process limits that count within
/// a user namespace (5.14).
const KERNEL: (u32, u32) = (5, 14);

/// Refuses a kernel that is too old.
pub(crate) fn check_kernel() -> Result<(), EngineError> {
    let release = kernel_release();
    if version(&release).is_some_and(|version| version >= KERNEL) {
        return Ok(());
    }
    Err(EngineError::Unavailable {
        engine: ENGINE,
        why: format!("this kernel is {release}"),
        cure: format!("use Linux {}.{} or newer", KERNEL.0, KERNEL.1),
    })
}

/// As `uname -r` has it.
pub(crate) fn kernel_release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// How many files a process of a job can have open at most, if there is a bound that we cannot raise.
pub(crate) fn most_open_files() -> Option<u64> {
    let rights = rustix::thread::capabilities(None).map(|sets| sets.effective);
    let may_raise = rights.is_ok_and(|rights| rights.contains(CapabilitySet::SYS_RESOURCE));
    if may_raise { None } else { getrlimit(Resource::Nofile).maximum }
}

/// What a job may ask for and does not get here. `no_images` is why workspaces are not images.
pub(crate) fn shortfalls(
    missing: &[Missing],
    no_images: Option<&str>,
    most_open_files: Option<u64>,
    separate_users: bool,
) -> Vec<Shortfall> {
    let mut all: Vec<_> = missing.iter().filter_map(not_limited).collect();
    all.extend(no_images.map(|why| {
        shortfall(
            "disk",
            &format!(
                "watched, not enforced: a workspace cannot have a file system of its own: {why}; what a \
                 job keeps in directories that it made unreadable, in files that it deleted and holds \
                 open, or very deep is not counted"
            ),
            "run cagent as root, on a host with mkfs.ext4 (e2fsprogs) and loop devices",
        )
    }));
    let usual = Limits::default().open_files.into();
    all.extend(most_open_files.filter(|most| *most < usual).map(|most| {
        let why = format!("a process of a job gets {most} at most: so many may this one open");
        shortfall("open_files", &why, "raise the hard limit: ulimit -Hn, LimitNOFILE= of systemd")
    }));
    if !separate_users {
        all.push(shortfall(
            "separate_users",
            "an ordinary user has only one uid to give away, so the agent and the job's commands \
             share it",
            "run cagent as root",
        ));
    }
    all
}

fn not_limited(missing: &Missing) -> Option<Shortfall> {
    let what = match missing.controller {
        Controller::Memory => "memory",
        Controller::Cpu => "cpu",
        // RLIMIT_NPROC takes its place; and what is only measured is no limit.
        Controller::Pids | Controller::Cpuacct => return None,
    };
    let cure = "run cagent as root, or under systemd with Delegate=yes";
    Some(shortfall(what, &missing.why, cure))
}

fn shortfall(what: &str, why: &str, cure: &str) -> Shortfall {
    Shortfall { what: what.into(), why: why.into(), cure: cure.into() }
}

fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_kernel_releases() {
        assert_eq!(version("6.1.0-18-amd64"), Some((6, 1)));
        assert_eq!(version("5.15+"), Some((5, 15)));
        assert_eq!(version("odd"), None);
    }

    #[test]
    fn an_ordinary_user_without_cgroups_hears_of_everything() {
        let missing = [Controller::Memory, Controller::Pids, Controller::Cpu, Controller::Cpuacct]
            .map(|controller| Missing { controller, why: "no".into() });
        let what: Vec<_> = shortfalls(&missing, Some("no"), Some(4095), false)
            .into_iter()
            .map(|s| s.what)
            .collect();
        assert_eq!(what, ["memory", "cpu", "disk", "open_files", "separate_users"]);
        assert_eq!(shortfalls(&[], None, Some(4096), true), []);
    }
}
