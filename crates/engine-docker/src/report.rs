//! What the daemon can do, told honestly. Pure.

use bollard::models::SystemInfo;
use engine::EngineError;
use types::{Isolation, SandboxReport, Shortfall};

use crate::ENGINE;
use crate::daemon::unavailable;

/// Refuses a daemon that cannot run our sandboxes.
pub(crate) fn check(info: &SystemInfo, runtime: Option<&str>) -> Result<(), EngineError> {
    let kind = info.os_type.as_deref().unwrap_or("linux");
    if kind != "linux" {
        return Err(unavailable(
            format!("the daemon runs {kind} containers"),
            "switch it to Linux containers",
        ));
    }
    let ours = std::env::consts::ARCH;
    let theirs = info.architecture.as_deref().map_or(ours, architecture);
    if theirs != ours {
        return Err(unavailable(
            format!("the daemon's machine is {theirs}, this program is for {ours}"),
            format!("use the cagent that is built for {theirs}"),
        ));
    }
    let known: Vec<_> = info.runtimes.iter().flatten().map(|(name, _)| name.as_str()).collect();
    match runtime {
        // One with a slash or dot names a shim, which the daemon finds by itself.
        Some(name) if !known.is_empty() && !known.contains(&name) && !name.contains(['/', '.']) => {
            Err(unavailable(
                format!("the daemon knows no runtime {name:?}, only {}", sorted(known).join(", ")),
                "add it to the daemon's runtimes (/etc/docker/daemon.json) and restart the daemon",
            ))
        }
        _ => Ok(()),
    }
}

/// What a sandbox is protected by, and what is not enforced.
pub(crate) fn report(
    info: &SystemInfo,
    runtime: Option<&str>,
    bridged: Option<&str>,
) -> SandboxReport {
    let runtime = runtime.or(info.default_runtime.as_deref()).unwrap_or_default();
    let isolation = isolation(runtime);
    let shortfalls = shortfalls(info, isolation, bridged);
    SandboxReport { engine: ENGINE.into(), isolation, shortfalls }
}

/// Whether container root is an ordinary user of the daemon's machine.
pub(crate) fn remaps_users(info: &SystemInfo) -> bool {
    let options = info.security_options.iter().flatten();
    options
        .map(String::as_str)
        .any(|option| option.contains("rootless") || option.contains("userns"))
}

/// What a runtime of this name makes of a container.
fn isolation(runtime: &str) -> Isolation {
    let is = |names: &[&str]| names.iter().any(|name| runtime.contains(name));
    match () {
        () if is(&["runsc", "gvisor"]) => Isolation::Gvisor,
        () if is(&["kata", "firecracker"]) => Isolation::Microvm,
        () => Isolation::Container,
    }
}

fn shortfalls(info: &SystemInfo, isolation: Isolation, bridged: Option<&str>) -> Vec<Shortfall> {
    let host =
        "enable its cgroup controller on the daemon's machine; see the warnings of docker info";
    let missing = |flag: Option<bool>, what, why: &str| {
        (flag == Some(false)).then(|| shortfall(what, why, host))
    };
    let disk = match bridged {
        None => {
            "watched once a second, not enforced: a workspace is a directory of the host".into()
        }
        Some(why) => format!(
            "watched every ten seconds, not enforced: a workspace is a volume that we do not see ({why})"
        ),
    };
    let disk_cure = match bridged {
        None => "keep the data directory on a file system of its own",
        Some(_) => {
            "run cagent as root on the daemon's machine, so that it sees them; or keep the daemon's volumes on a \
             file system of their own"
        }
    };
    let seccomp =
        info.security_options.as_ref().is_none_or(|all| all.iter().any(|o| o.contains("seccomp")));
    [
        missing(info.memory_limit, "memory", "the daemon cannot limit it"),
        missing(info.swap_limit, "swap", "the daemon cannot limit it: a job may use as much swap as there is"),
        missing(info.cpu_cfs_quota, "cpu", "the daemon cannot limit it"),
        missing(info.pids_limit, "processes", "the daemon cannot limit them"),
        (!seccomp).then(|| shortfall("seccomp", "the daemon filters no system calls", "use a daemon that does")),
        (isolation == Isolation::Container).then(|| shortfall(
            "signals_and_watches",
            "jobs of a daemon share one user of its machine: one can take all inotify instances and queued \
             signals that the kernel grants that user",
            "use gVisor or Kata (CAGENT_DOCKER_RUNTIME)",
        )),
        Some(shortfall("disk", &disk, disk_cure)),
        Some(shortfall(
            "wall_time",
            "enforced by cagent: while it is down, or its daemon, nobody ends a job whose time is over",
            "keep cagent running; it ends what is overdue as soon as it is back",
        )),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn shortfall(what: &str, why: &str, cure: &str) -> Shortfall {
    Shortfall { what: what.into(), why: why.into(), cure: cure.into() }
}

/// Rust's word for what `uname -m` or Go call a processor.
fn architecture(name: &str) -> &str {
    match name {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        other => other,
    }
}

fn sorted(mut names: Vec<&str>) -> Vec<&str> {
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_runtime_is_refused_with_the_known_ones() {
        let runtimes = ["runsc", "runc"].map(|name| (name.to_owned(), Default::default()));
        let info = SystemInfo { runtimes: Some(runtimes.into()), ..SystemInfo::default() };
        let error = check(&info, Some("kata")).unwrap_err().to_string();
        assert!(error.contains("\"kata\"") && error.contains("runc, runsc"), "{error}");
        for fine in [None, Some("runsc"), Some("io.containerd.kata.v2"), Some("/usr/bin/crun")] {
            check(&info, fine).unwrap();
        }
    }

    #[test]
    fn other_machines_are_refused() {
        let info = |os: &str, cpu: &str| SystemInfo {
            os_type: Some(os.into()),
            architecture: Some(cpu.into()),
            ..SystemInfo::default()
        };
        assert!(check(&info("windows", std::env::consts::ARCH), None).is_err());
        assert!(check(&info("linux", "s390x"), None).unwrap_err().to_string().contains("s390x"));
    }

    #[test]
    fn isolation_is_that_of_the_runtime_in_use() {
        let info = SystemInfo { default_runtime: Some("runsc".into()), ..SystemInfo::default() };
        let of = |runtime| report(&info, runtime, None).isolation;
        assert_eq!(of(None), Isolation::Gvisor);
        assert_eq!(of(Some("kata-qemu")), Isolation::Microvm);
        assert_eq!(of(Some("runc")), Isolation::Container);
    }

    #[test]
    fn what_is_not_enforced_is_told() {
        let what = |info: &SystemInfo| {
            let all = report(info, None, None).shortfalls;
            all.into_iter().map(|one| one.what).collect::<Vec<_>>()
        };
        assert_eq!(what(&SystemInfo::default()), ["signals_and_watches", "disk", "wall_time"]);
        let gvisor = report(&SystemInfo::default(), Some("runsc"), None).shortfalls;
        assert!(gvisor.iter().all(|one| one.what != "signals_and_watches"), "a kernel of its own");
        let info = SystemInfo {
            pids_limit: Some(false),
            memory_limit: Some(true),
            ..SystemInfo::default()
        };
        assert_eq!(what(&info), ["processes", "signals_and_watches", "disk", "wall_time"]);
    }
}
