use std::ffi::OsString;
use std::fs::File;
use std::process::Command;

use rustix::io::Errno;
use rustix::process::{Signal, WaitOptions, getpid, set_child_subreaper, wait};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

use super::exec::{ExecError, apart};
use crate::kin;
use crate::reaper::exit_code;

/// agentd itself, which becomes the program.
const SELF: &str = "/proc/self/exe";

/// What becomes of those who are left when the program has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// They are waited for.
    Stays,
    /// They are killed.
    Goes,
}

/// Runs a program and stays until all is gone that it started, `setsid` or not: whoever loses their
/// parent becomes our child. The exit code is the program's.
pub(super) fn keep(start: &[OsString], rest: Rest) -> Result<u8, ExecError> {
    apart()?;
    let me = getpid();
    set_child_subreaper(Some(me)).map_err(|errno| ExecError::Session(errno.into()))?;
    let program = || start.get(3).map(|name| name.to_string_lossy().into_owned());
    let failed = |source| ExecError::Start { program: program().unwrap_or_default(), source };
    let child = Command::new(SELF).arg("exec").args(start).spawn().map_err(failed)?;
    let main = child.id().cast_signed();
    // So that the pipes close when the last one who uses them is gone.
    let_go();
    let mut code = None;
    loop {
        if code.is_some() && rest == Rest::Goes {
            // Whoever was born meanwhile comes to us when their parent is gone, and is next.
            kin::signal_beneath(me, Signal::KILL);
        }
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid.as_raw_pid() == main => code = Some(exit_code(status)),
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return Ok(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)),
        }
    }
}

fn let_go() {
    if let Ok(nothing) = File::options().read(true).write(true).open("/dev/null") {
        // They are open: what is left open instead costs nothing but a late end.
        let _ = dup2_stdin(&nothing);
        let _ = dup2_stdout(&nothing);
        let _ = dup2_stderr(&nothing);
    }
}
