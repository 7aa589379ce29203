use std::fs::File;
use std::os::unix::process::CommandExt;

use rustix::io::Errno;
use rustix::process::{WaitOptions, getpid, set_child_subreaper, wait};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

use super::exec::{ExecError, Start};
use crate::reaper::exit_code;

/// Runs a program and stays until all is gone that it started, `setsid` or not: whoever loses their
/// parent becomes our child. The exit code is the program's.
pub(super) fn keep(start: &Start) -> Result<u8, ExecError> {
    let mut command = start.prepare()?;
    set_child_subreaper(Some(getpid())).map_err(|errno| ExecError::Session(errno.into()))?;
    let child = command.process_group(0).spawn().map_err(|source| start.failed(source))?;
    let main = child.id().cast_signed();
    // So that the pipes close when the last one who uses them is gone.
    let_go();
    let mut code = 0;
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid.as_raw_pid() == main => code = exit_code(status),
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return Ok(u8::try_from(code).unwrap_or(u8::MAX)),
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
