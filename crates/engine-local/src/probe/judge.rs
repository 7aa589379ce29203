//! What the facts about a machine mean for jobs. Looks at nothing itself.

use types::Shortfall;

use super::facts::{Facts, Outside, PROGRAMS, Tried};
use super::{Finding, Level};
use crate::UidRange;

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings = vec![kernel(facts)];
    match &facts.engine {
        // Once is enough.
        Err(_) if facts.kernel_cure.is_some() => {}
        Err(refusal) => findings.push(missing("embedded engine", &refusal.why, &refusal.cure)),
        Ok(tried) => {
            findings.push(sandbox(facts, tried));
            findings.push(users(tried.uids));
            findings.extend(limits(facts, tried));
            if let Ok(seen) = &tried.sandbox {
                findings.extend(PROGRAMS.map(|name| program(name, seen, &tried.outside)));
            }
        }
    }
    findings
}

fn ok(what: &str, found: impl Into<String>) -> Finding {
    Finding { what: what.into(), level: Level::Ok, found: found.into(), lost: None, cure: None }
}

fn degraded(what: &str, found: &str, lost: &str, cure: &str) -> Finding {
    let (lost, cure) = (Some(lost.into()), Some(cure.into()));
    Finding { level: Level::Degraded, lost, cure, ..ok(what, found) }
}

fn missing(what: &str, found: &str, cure: &str) -> Finding {
    let lost = "no job can run";
    Finding { level: Level::Missing, ..degraded(what, found, lost, cure) }
}

fn kernel(facts: &Facts) -> Finding {
    match &facts.kernel_cure {
        None => ok("kernel", &facts.kernel),
        Some(cure) => missing("kernel", &format!("{} is too old", facts.kernel), cure),
    }
}

fn sandbox(facts: &Facts, tried: &Tried) -> Finding {
    let Err(error) = &tried.sandbox else {
        return ok("sandbox", "one was started and ran a command");
    };
    match forbidden(facts) {
        Some((why, cure)) => missing("sandbox", &format!("{why} ({error})"), cure),
        None => missing("sandbox", error, "report this error, which we do not know, as an issue"),
    }
}

/// What is known to keep sandboxes from being made, and the cure. Root is subject to fewer.
fn forbidden(facts: &Facts) -> Option<(&'static str, &'static str)> {
    let switches = facts.switches;
    if switches.most == Some(0) {
        let cure = "sysctl -w user.max_user_namespaces=15000; to keep it, in /etc/sysctl.d";
        return Some(("this machine allows no user namespaces", cure));
    }
    if facts.container {
        let cure = "run cagent on the host, or this container with --privileged; rootless ones \
                    need --security-opt seccomp=unconfined, apparmor=unconfined and \
                    systempaths=unconfined";
        return Some(("this container may not make namespaces or mount /proc in them", cure));
    }
    if facts.root {
        return None;
    }
    if switches.unprivileged == Some(0) {
        let cure = "run cagent as root, or sysctl -w kernel.unprivileged_userns_clone=1";
        return Some(("user namespaces are for root only here", cure));
    }
    if switches.apparmor == Some(1) {
        let cure = "run cagent as root, install the AppArmor profile in docs/deploy.md, or sysctl -w \
                    kernel.apparmor_restrict_unprivileged_userns=0";
        return Some(("AppArmor keeps ordinary users from user namespaces", cure));
    }
    None
}

fn users(own: Option<UidRange>) -> Finding {
    let Some(UidRange { first, count }) = own else {
        return degraded(
            "users",
            "agent and commands of a job share your user (newuidmap would not be used)",
            "one of two walls between a job's commands and its agent; jobs draw on your limits",
            "run cagent as root",
        );
    };
    let last = first + count - 1;
    ok("users", format!("two of the host's uids {first} to {last} for each job"))
}

fn limits(facts: &Facts, tried: &Tried) -> Vec<Finding> {
    let cgroups = format!("holds, by cgroups of version {}", tried.cgroups);
    let images = "holds, by a file system for each workspace".to_string();
    let plainly = "holds".to_string();
    let holds =
        [("memory", &cgroups), ("cpu", &cgroups), ("disk", &images), ("open_files", &plainly)];
    let limit = |(what, holds): (&str, &String)| {
        let name = format!("limit: {what}");
        match tried.shortfalls.iter().find(|short| short.what == what) {
            None => ok(&name, holds),
            Some(short) => not_held(facts, &name, short),
        }
    };
    let mut findings: Vec<_> = holds.into_iter().map(limit).collect();
    findings.push(ok("limit: processes", "holds"));
    findings
}

fn not_held(facts: &Facts, name: &str, short: &Shortfall) -> Finding {
    let (lost, cure) = match short.what.as_str() {
        "memory" => ("one job can take the memory of the whole machine", delegate(facts)),
        "cpu" => ("one job can take the time of all processors", delegate(facts)),
        "open_files" => ("programs that open many files fail in jobs", short.cure.as_str()),
        _ => (
            "a job can fill the disk with what it hides, and with the rest until it is ended",
            short.cure.as_str(),
        ),
    };
    degraded(name, &short.why, lost, cure)
}

/// How this process gets cgroups.
fn delegate(facts: &Facts) -> &'static str {
    match (facts.container, facts.root, facts.systemd) {
        (true, ..) => "give the container cgroups that it can write, as --privileged does",
        (false, true, true) => "install the units in deploy/, see docs/deploy.md",
        (false, false, true) => {
            "run cagent as root, or under your systemd: systemd-run --user --pty \
             --property=Delegate=yes cagent …"
        }
        (false, true, false) => "mount /sys/fs/cgroup, writable, with memory, cpu and pids",
        (false, false, false) => "run cagent as root, or have root give you a cgroup",
    }
}

fn program(name: &'static str, seen: &str, outside: &[Outside]) -> Finding {
    let version = seen.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('\t'));
    if let Some(version) = version {
        return ok(name, version);
    }
    let lost = format!("jobs have no {name}");
    match outside.iter().find(|outside| outside.name == name) {
        Some(Outside { program, root, .. }) => {
            let found = format!("{} is out of sight of jobs", program.display());
            let cure = format!("start cagent with --expose {}", root.display());
            degraded(name, &found, &lost, &cure)
        }
        None => degraded(name, "not found", &lost, &format!("install {name}, if jobs need it")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::{Refusal, Switches};
    use super::*;

    /// A server with all it takes, run by root.
    fn server() -> Facts {
        let seen = "bash\tGNU bash 5\npython3\tPython 3.11\nnode\tv24\ngit\tgit version 2\n";
        Facts {
            kernel: "6.1.0".into(),
            kernel_cure: None,
            root: true,
            container: false,
            systemd: true,
            switches: Switches { most: Some(9), unprivileged: Some(1), apparmor: Some(0) },
            engine: Ok(Tried {
                uids: Some(UidRange::default()),
                cgroups: "2",
                shortfalls: Vec::new(),
                sandbox: Ok(seen.into()),
                outside: Vec::new(),
            }),
        }
    }

    fn user() -> Facts {
        let mut facts = server();
        facts.root = false;
        let short = |what: &str| Shortfall { what: what.into(), why: "w".into(), cure: "c".into() };
        let tried = tried(&mut facts);
        tried.uids = None;
        tried.shortfalls = ["memory", "cpu", "disk", "separate_users"].map(short).into();
        facts
    }

    fn tried(facts: &mut Facts) -> &mut Tried {
        facts.engine.as_mut().unwrap()
    }

    fn without_sandbox(mut facts: Facts) -> Facts {
        tried(&mut facts).sandbox = Err("EPERM".into());
        facts
    }

    /// What is not as it should be.
    fn wrong(facts: &Facts) -> Vec<Finding> {
        let all = judge(facts).into_iter();
        all.filter(|finding| {
            let well = finding.level == Level::Ok;
            assert_eq!((finding.lost.is_none(), finding.cure.is_none()), (well, well));
            !well
        })
        .collect()
    }

    fn cure_of(facts: &Facts, what: &str) -> (Level, String) {
        let found = wrong(facts).into_iter().find(|finding| finding.what == what).unwrap();
        (found.level, format!("{}: {}", found.found, found.cure.unwrap()))
    }

    fn says(facts: &Facts, what: &str, level: Level, words: &str) {
        let (found, text) = cure_of(facts, what);
        assert!(found == level && text.contains(words), "{what}: {found:?}: {text}");
    }

    #[test]
    fn a_server_has_all() {
        assert_eq!(wrong(&server()), []);
    }

    #[test]
    fn an_ordinary_user_loses_limits_and_can_get_them_back() {
        let mut facts = user();
        says(&facts, "limit: memory", Level::Degraded, "systemd-run --user");
        says(&facts, "users", Level::Degraded, "newuidmap would not be used");
        assert!(wrong(&facts).iter().all(|finding| finding.level == Level::Degraded));
        facts.systemd = false;
        says(&facts, "limit: cpu", Level::Degraded, "as root");
    }

    #[test]
    fn root_without_cgroups_is_told_where_they_come_from() {
        let mut facts = server();
        tried(&mut facts).shortfalls = user().engine.unwrap().shortfalls;
        says(&facts, "limit: memory", Level::Degraded, "deploy/");
        says(&facts, "limit: disk", Level::Degraded, "w: c");
        facts.systemd = false;
        says(&facts, "limit: memory", Level::Degraded, "mount /sys/fs/cgroup");
        facts.container = true;
        says(&facts, "limit: memory", Level::Degraded, "--privileged");
    }

    #[test]
    fn an_old_kernel_is_told_once() {
        let mut facts = server();
        facts.kernel_cure = Some("use Linux 5.14 or newer".into());
        facts.engine = Err(Refusal { why: "old".into(), cure: "newer".into() });
        assert_eq!(wrong(&facts).len(), 1);
        says(&facts, "kernel", Level::Missing, "5.14");
        facts.kernel_cure = None;
        says(&facts, "embedded engine", Level::Missing, "old: newer");
    }

    #[test]
    fn what_forbids_sandboxes_is_named_with_its_cure() {
        let mut facts = without_sandbox(user());
        facts.switches.apparmor = Some(1);
        says(&facts, "sandbox", Level::Missing, "apparmor_restrict_unprivileged_userns=0");
        facts.switches.unprivileged = Some(0);
        says(&facts, "sandbox", Level::Missing, "unprivileged_userns_clone=1");
        facts.container = true;
        says(&facts, "sandbox", Level::Missing, "seccomp=unconfined");
        facts.switches.most = Some(0);
        says(&facts, "sandbox", Level::Missing, "max_user_namespaces");
    }

    #[test]
    fn root_does_not_hear_of_what_is_for_users() {
        let mut facts = without_sandbox(server());
        facts.switches = Switches { most: None, unprivileged: Some(0), apparmor: Some(1) };
        says(&facts, "sandbox", Level::Missing, "EPERM");
    }

    #[test]
    fn what_works_all_the_same_is_no_problem() {
        let mut facts = server();
        facts.container = true;
        facts.switches.apparmor = Some(1);
        assert_eq!(wrong(&facts), []);
    }

    #[test]
    fn programs_that_jobs_do_not_see() {
        let mut facts = server();
        let outside = Outside { name: "node", program: "/n/bin/node".into(), root: "/n".into() };
        *tried(&mut facts) = Tried {
            sandbox: Ok("bash\t5\ngit\t2\n".into()),
            outside: vec![outside],
            ..tried(&mut facts).clone()
        };
        says(&facts, "node", Level::Degraded, "--expose /n");
        says(&facts, "python3", Level::Degraded, "install python3");
    }
}
