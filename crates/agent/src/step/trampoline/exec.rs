use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

use rustix::process::setsid;

/// Makes commands the first to go when memory runs out, long before agentd.
const OOM_SCORE: &str = "500";

#[derive(Debug, thiserror::Error)]
pub(super) enum ExecError {
    #[error("use {} as the working directory: {source}", path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error("begin a session: {0}")]
    Session(#[source] io::Error),
    #[error(
        "{program} is not in this sandbox (PATH={path}); install it on the host, show the sandbox \
         where it is with --expose DIR, or use an image that has it"
    )]
    NotFound { program: String, path: String },
    #[error("start {program}: {source}")]
    Start { program: String, source: io::Error },
}

impl ExecError {
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }
}

/// Returns only if that failed.
pub(super) fn become_program(dir: &Path, program: &OsStr, arguments: &[OsString]) -> ExecError {
    match try_become(dir, program, arguments) {
        Err(error) => error,
    }
}

fn try_become(
    dir: &Path,
    program: &OsStr,
    arguments: &[OsString],
) -> Result<Infallible, ExecError> {
    prepare(dir)?;
    Err(failed(program, Command::new(program).args(arguments).exec()))
}

/// A session of its own, the first to go when memory runs out, in its directory.
pub(super) fn prepare(dir: &Path) -> Result<(), ExecError> {
    setsid().map_err(|errno| ExecError::Session(errno.into()))?;
    // Without it the kernel chooses less well; nothing else depends on it.
    drop(fs::write("/proc/self/oom_score_adj", OOM_SCORE));
    let directory = |source| ExecError::Directory { path: dir.into(), source };
    fs::create_dir_all(dir).map_err(directory)?;
    env::set_current_dir(dir).map_err(directory)
}

/// Why a program did not start.
pub(super) fn failed(program: &OsStr, source: io::Error) -> ExecError {
    let program = program.to_string_lossy().into_owned();
    if source.kind() == io::ErrorKind::NotFound {
        let path = env::var("PATH").unwrap_or_default();
        return ExecError::NotFound { program, path };
    }
    ExecError::Start { program, source }
}
