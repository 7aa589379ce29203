use std::convert::Infallible;
use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

use rustix::fs::{Access, access};
use rustix::process::{ioctl_tiocsctty, setsid};
use rustix::termios::isatty;

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

/// What a command is.
#[derive(Debug)]
pub struct Start {
    /// Its directory, made if it is missing.
    pub dir: PathBuf,
    /// Where it begins if it cannot be there; the same directory if that is an error.
    pub instead: PathBuf,
    /// Where its program is looked for, like a PATH.
    pub path: OsString,
    /// The program.
    pub program: OsString,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

impl Start {
    /// Returns only if that failed.
    pub(super) fn become_program(&self) -> ExecError {
        match self.try_become() {
            Err(error) => error,
        }
    }

    fn try_become(&self) -> Result<Infallible, ExecError> {
        apart()?;
        take_terminal()?;
        let mut command = Command::new(self.found()?);
        command.args(&self.arguments);
        match enter(&self.dir) {
            Err(error) if self.instead != self.dir => {
                let (dir, instead) = (self.dir.display(), self.instead.display());
                // Standard error may be closed; the command is not kept from running by that.
                drop(writeln!(
                    io::stderr(),
                    "agentd: the directory {dir} is of no use ({error}): this begins in {instead}"
                ));
                enter(&self.instead).map_err(|source| self.no_directory(&self.instead, source))?;
                command.env("PWD", &self.instead);
            }
            entered => entered.map_err(|source| self.no_directory(&self.dir, source))?,
        }
        let program = self.program.to_string_lossy().into_owned();
        Err(ExecError::Start { program, source: command.exec() })
    }

    fn no_directory(&self, path: &Path, source: io::Error) -> ExecError {
        ExecError::Directory { path: path.into(), source }
    }

    /// The program's own path, so that it does not depend on what a command did to PATH.
    fn found(&self) -> Result<PathBuf, ExecError> {
        let is_one = |path: &PathBuf| access(path, Access::EXEC_OK).is_ok() && path.is_file();
        let dirs = env::split_paths(&self.path).filter(|dir| dir.is_absolute());
        dirs.map(|dir| dir.join(&self.program)).find(is_one).ok_or_else(|| ExecError::NotFound {
            program: self.program.to_string_lossy().into_owned(),
            path: self.path.to_string_lossy().into_owned(),
        })
    }
}

/// A session of its own, and the first to go when memory runs out.
pub(super) fn apart() -> Result<(), ExecError> {
    setsid().map_err(|errno| ExecError::Session(errno.into()))?;
    // Without it the kernel chooses less well; nothing else depends on it.
    drop(fs::write("/proc/self/oom_score_adj", OOM_SCORE));
    Ok(())
}

/// A terminal as standard input becomes the session's own: its keys send signals.
fn take_terminal() -> Result<(), ExecError> {
    if !isatty(io::stdin()) {
        return Ok(());
    }
    ioctl_tiocsctty(io::stdin()).map_err(|errno| ExecError::Session(errno.into()))
}

fn enter(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    env::set_current_dir(dir)
}
