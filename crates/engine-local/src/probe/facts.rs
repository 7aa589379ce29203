//! What this machine is like. Only looks and tries; `judge` says what it means.

use std::path::{Path, PathBuf};

use engine::{Engine, EngineError, SandboxEnd, SandboxSpec};
use types::{JobId, Limits, Shortfall};

use crate::{LocalConfig, LocalEngine, UidRange, report};

/// Programs that jobs expect. Each tells its version.
pub(super) const PROGRAMS: [&str; 4] = ["bash", "python3", "node", "git"];

/// What one machine is like.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// As `uname -r` has it.
    pub(super) kernel: String,
    /// What to do about the kernel, if it is too old.
    pub(super) kernel_cure: Option<String>,
    pub(super) root: bool,
    /// We are in a container of Docker, Podman, Kubernetes, systemd-nspawn …
    pub(super) container: bool,
    /// systemd is the first process.
    pub(super) systemd: bool,
    pub(super) switches: Switches,
    /// What the engine could do, or why it cannot even be opened.
    pub(super) engine: Result<Tried, Refusal>,
}

/// What the kernel was told about user namespaces, of which each sandbox is one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Switches {
    /// `user.max_user_namespaces`: how many a user may have.
    pub(super) most: Option<u64>,
    /// `kernel.unprivileged_userns_clone`, of Debian's kernels: 0 is for root only.
    pub(super) unprivileged: Option<u64>,
    /// `kernel.apparmor_restrict_unprivileged_userns`, of Ubuntu's: 1 is for programs with a
    /// profile that says so.
    pub(super) apparmor: Option<u64>,
}

/// What came of trying.
#[derive(Clone, Debug)]
pub(super) struct Tried {
    /// What jobs' users are taken from, if they have any of their own.
    pub(super) uids: Option<UidRange>,
    /// The version of cgroups that limits hold by.
    pub(super) cgroups: &'static str,
    pub(super) shortfalls: Vec<Shortfall>,
    /// What a sandbox saw of [`PROGRAMS`]: lines of name, tab, version.
    pub(super) sandbox: Result<String, String>,
    /// Those that the host has where a sandbox does not see them.
    pub(super) outside: Vec<Outside>,
}

/// A program of the host, its links followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outside {
    pub(super) name: &'static str,
    pub(super) program: PathBuf,
    /// What holds its `bin`.
    pub(super) root: PathBuf,
}

/// Why the engine cannot be opened, and what to do about it.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) why: String,
    pub(super) cure: String,
}

/// Marks of container runtimes. The last is systemd's, about any of them.
const CONTAINER: [&str; 3] = ["/.dockerenv", "/run/.containerenv", "/run/systemd/container"];

pub(super) async fn gather(config: &LocalConfig) -> Facts {
    let number = |file: &str| std::fs::read_to_string(file).ok()?.trim().parse().ok();
    let cured = |error| match error {
        EngineError::Unavailable { cure, .. } => cure,
        other => other.to_string(),
    };
    Facts {
        kernel: report::kernel_release(),
        kernel_cure: report::check_kernel().err().map(cured),
        root: rustix::process::geteuid().is_root(),
        container: CONTAINER.iter().any(|mark| Path::new(mark).exists())
            || std::env::var_os("KUBERNETES_SERVICE_HOST").is_some(),
        systemd: Path::new("/run/systemd/system").exists(),
        switches: Switches {
            most: number("/proc/sys/user/max_user_namespaces"),
            unprivileged: number("/proc/sys/kernel/unprivileged_userns_clone"),
            apparmor: number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
        },
        engine: open_and_try(config).await,
    }
}

async fn open_and_try(config: &LocalConfig) -> Result<Tried, Refusal> {
    let home = config.home.join(format!(".probe-{}", std::process::id()));
    let tried = match LocalEngine::open(LocalConfig { home: home.clone(), ..config.clone() }) {
        Ok(engine) => try_out(&engine, config).await,
        Err(e) => Err(e),
    };
    // Whatever is left in it was reported as a failure to remove the sandbox.
    let _ = std::fs::remove_dir(&home);
    tried.map_err(|error| Refusal {
        why: error.to_string(),
        cure: match error {
            EngineError::Unavailable { cure, .. } => cure,
            _ => "correct the path or its permissions".into(),
        },
    })
}

async fn try_out(engine: &LocalEngine, config: &LocalConfig) -> Result<Tried, EngineError> {
    let shortfalls = engine.report().await?.shortfalls;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let outside = |name| std::env::split_paths(&path).find_map(|dir| outside(name, &dir));
    Ok(Tried {
        uids: engine.command_user().map(|_| config.uids),
        cgroups: engine.cgroup_version(),
        shortfalls,
        sandbox: look_inside(engine).await.map_err(|e| e.to_string()),
        outside: PROGRAMS.into_iter().filter_map(outside).collect(),
    })
}

/// Which of the programs a sandbox sees.
async fn look_inside(engine: &LocalEngine) -> Result<String, EngineError> {
    let script = format!(
        "for p in {}; do command -v $p > /dev/null && \
         printf '%s\\t%s\\n' $p \"$($p --version 2>&1 | head -n 1)\"; done; exit 0",
        PROGRAMS.join(" ")
    );
    let limits = Limits { wall_seconds: 30, ..Limits::default() };
    let spec = SandboxSpec { job: JobId::generate(), limits, image: None };
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

fn outside(name: &'static str, dir: &Path) -> Option<Outside> {
    let program = dir.join(name).canonicalize().ok().filter(|path| path.is_file())?;
    let bin = program.parent()?;
    let root = if bin.file_name()? == "bin" { bin.parent()? } else { bin }.to_owned();
    Some(Outside { name, program, root })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_elsewhere_is_found_with_what_to_expose() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("v3/bin")).unwrap();
        std::fs::write(root.join("v3/bin/tool-1"), "").unwrap();
        std::os::unix::fs::symlink("v3/bin/tool-1", root.join("tool")).unwrap();
        let found = outside("tool", &root).unwrap();
        assert_eq!((found.program, found.root), (root.join("v3/bin/tool-1"), root.join("v3")));
    }
}
