//! Tries out what this machine allows, for `cagent doctor`.

use std::path::{Path, PathBuf};

use engine::{Engine, EngineError, SandboxEnd, SandboxSpec};
use serde::Serialize;
use types::{JobId, Limits, SandboxReport};

use crate::{LocalConfig, LocalEngine, UidRange, report};

/// One thing looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What.
    pub what: String,
    /// How it stands.
    pub level: Level,
    /// What was found.
    pub found: String,
    /// What an operator can do, unless all is well.
    pub cure: Option<String>,
}

/// How something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Jobs run, but not everything holds or is there.
    Degraded,
    /// No job can run.
    Missing,
}

/// Programs that jobs expect, and how each tells its version.
const PROGRAMS: [&str; 4] = ["bash", "python3", "node", "git"];

/// Where Ubuntu says whether a program without a profile may use user namespaces.
const APPARMOR: &str = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";

/// Looks at everything the embedded engine needs, and starts one sandbox for real. Uses a folder of
/// its own beneath `home`, so that a running orchestrator does not notice.
pub async fn probe(config: &LocalConfig) -> Vec<Finding> {
    let mut findings = vec![kernel()];
    findings.extend(apparmor());
    let home = config.home.join(format!(".probe-{}", std::process::id()));
    let opened = LocalEngine::open(LocalConfig { home: home.clone(), ..config.clone() });
    match opened {
        Ok(engine) => findings.extend(try_out(&engine, config).await),
        Err(e) => findings.push(engine_missing(&e)),
    }
    // Whatever is left in it was reported as a failure to remove the sandbox.
    let _ = std::fs::remove_dir(&home);
    findings
}

fn finding(what: &str, level: Level, found: impl Into<String>, cure: Option<&str>) -> Finding {
    Finding { what: what.into(), level, found: found.into(), cure: cure.map(Into::into) }
}

fn kernel() -> Finding {
    let release = report::kernel_release();
    match report::check_kernel() {
        Ok(()) => finding("kernel", Level::Ok, release, None),
        Err(e) => finding("kernel", Level::Missing, release, Some(&e.to_string())),
    }
}

fn apparmor() -> Option<Finding> {
    let restricted = std::fs::read_to_string(APPARMOR).ok()?.trim() == "1";
    if !restricted || rustix::process::geteuid().is_root() {
        return Some(finding("apparmor", Level::Ok, "does not restrict user namespaces", None));
    }
    let cure = "run cagent as root, or `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`";
    let found = "restricts user namespaces of ordinary users";
    Some(finding("apparmor", Level::Degraded, found, Some(cure)))
}

fn engine_missing(error: &EngineError) -> Finding {
    let cure = match error {
        EngineError::Unavailable { cure, .. } => cure.clone(),
        _ => "correct the path or its permissions".into(),
    };
    finding("embedded engine", Level::Missing, error.to_string(), Some(&cure))
}

async fn try_out(engine: &LocalEngine, config: &LocalConfig) -> Vec<Finding> {
    let mut findings = vec![users(engine, config)];
    match engine.report().await {
        Ok(report) => findings.extend(limits(engine, &report)),
        Err(e) => findings.push(engine_missing(&e)),
    }
    match look_inside(engine).await {
        Ok(seen) => {
            findings.push(finding("sandbox", Level::Ok, "one was started and ran a command", None));
            findings.extend(PROGRAMS.map(|name| program(name, &seen)));
        }
        Err(e) => findings.push(no_sandbox(&e)),
    }
    findings
}

fn users(engine: &LocalEngine, config: &LocalConfig) -> Finding {
    if engine.command_user().is_none() {
        let cure = "run cagent as root";
        let found = "agent and commands of a job share your user";
        return finding("users", Level::Degraded, found, Some(cure));
    }
    let UidRange { first, count } = config.uids;
    let found = format!("two of the host's uids {first} to {} for each job", first + count - 1);
    finding("users", Level::Ok, found, None)
}

fn limits(engine: &LocalEngine, report: &SandboxReport) -> Vec<Finding> {
    let version = engine.cgroup_version();
    let short = |what: &str| report.shortfalls.iter().find(|short| short.what == what);
    let mut findings: Vec<_> = report
        .shortfalls
        .iter()
        .filter(|short| short.what != "separate_users")
        .map(|short| {
            let what = format!("limit: {}", short.what);
            finding(&what, Level::Degraded, short.why.as_str(), Some(short.cure.as_str()))
        })
        .collect();
    for what in ["memory", "cpu"].into_iter().filter(|what| short(what).is_none()) {
        let found = format!("holds, by cgroups of version {version}");
        findings.push(finding(&format!("limit: {what}"), Level::Ok, found, None));
    }
    findings.push(finding("limit: processes", Level::Ok, "holds", None));
    findings
}

fn no_sandbox(error: &EngineError) -> Finding {
    let cure = if Path::new("/.dockerenv").exists() || Path::new("/run/.containerenv").exists() {
        "inside a container this needs a privileged one; use the host, or another engine"
    } else {
        "allow user namespaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, \
         kernel.apparmor_restrict_unprivileged_userns), or run cagent as root"
    };
    finding("sandbox", Level::Missing, error.to_string(), Some(cure))
}

/// Which of the programs a sandbox sees: lines of name, tab, version.
async fn look_inside(engine: &LocalEngine) -> Result<String, EngineError> {
    let script = format!(
        "for p in {}; do command -v $p > /dev/null && \
         printf '%s\\t%s\\n' $p \"$($p --version 2>&1 | head -n 1)\"; done; exit 0",
        PROGRAMS.join(" ")
    );
    let limits = Limits { wall_seconds: 30, ..Limits::default() };
    let spec = SandboxSpec { job: JobId::generate(), limits };
    engine.create_with(&spec, vec!["/bin/sh".into(), "-c".into(), script]).await?;
    let seen = run(engine, spec.job).await;
    engine.remove(spec.job).await?;
    seen
}

async fn run(engine: &LocalEngine, job: JobId) -> Result<String, EngineError> {
    engine.start(job).await?;
    let ended = engine.wait(job).await?;
    let seen = engine.last_words(job)?;
    if ended.end == (SandboxEnd::Exited { code: 0 }) {
        return Ok(seen);
    }
    let message = format!("a command in it ended with {:?}: {}", ended.end, seen.trim());
    Err(EngineError::Setup { job, message })
}

fn program(name: &str, seen: &str) -> Finding {
    let version = seen.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('\t'));
    if let Some(version) = version {
        return finding(name, Level::Ok, version, None);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    match std::env::split_paths(&path).find_map(|dir| outside(&dir.join(name))) {
        Some((program, root)) => {
            let found = format!("{} is out of sight of jobs", program.display());
            let cure = format!("start cagent with --expose {}", root.display());
            finding(name, Level::Degraded, found, Some(&cure))
        }
        None => {
            let cure = format!("install {name}, if jobs are to use it");
            finding(name, Level::Degraded, "not found", Some(&cure))
        }
    }
}

/// A program of the host, its links followed, and the directory that holds its `bin`.
fn outside(program: &Path) -> Option<(PathBuf, PathBuf)> {
    let program = program.canonicalize().ok().filter(|path| path.is_file())?;
    let bin = program.parent()?;
    let root = if bin.file_name()? == "bin" { bin.parent()? } else { bin };
    Some((program.clone(), root.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_was_seen_is_told_with_its_version() {
        let seen = "bash\tGNU bash 5\nnode\tv24.1.0\n";
        let found = program("node", seen);
        assert_eq!((found.level, found.found.as_str()), (Level::Ok, "v24.1.0"));
    }

    #[test]
    fn a_program_elsewhere_is_told_with_what_to_expose() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("v3/bin")).unwrap();
        std::fs::write(root.join("v3/bin/tool-1"), "").unwrap();
        std::os::unix::fs::symlink("v3/bin/tool-1", root.join("tool")).unwrap();
        let (program, shown) = outside(&root.join("tool")).unwrap();
        assert_eq!((program, shown), (root.join("v3/bin/tool-1"), root.join("v3")));
    }
}
