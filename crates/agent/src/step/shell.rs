//! A program that a person runs beside the job's steps: with a terminal, or with three pipes.
//!
//! The terminal is opened here, and only its far side is given away: nobody inside can make ours block.
//!
//! Not here: what people send it and see of it ([`crate::inward`]).

use std::io::{self, pipe};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;

use protocol::shell::{Size, Start};
use rustix::fs::{Mode, fchmod};
use rustix::io::ioctl_fionbio;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use tokio::net::unix::pipe::{Receiver, Sender};

use super::{Runner, Service, plan};

/// One that was started.
#[derive(Debug)]
pub(crate) struct Shell {
    pub(crate) service: Service,
    /// Its terminal, if it has one.
    pub(crate) terminal: Option<OwnedFd>,
    /// What it reads.
    pub(crate) input: Sender,
    /// What it writes.
    pub(crate) output: Receiver,
    /// What it complains about, where that is apart.
    pub(crate) errors: Option<Receiver>,
}

impl Runner {
    /// Starts one in the workspace, with the variables that a step would see now.
    pub(crate) async fn shell(&self, start: &Start) -> io::Result<Shell> {
        let (arguments, environment) = plan::shell(start, &self.now.borrow(), &self.config);
        let mut command = self.trampoline(arguments);
        command.envs(environment);
        match &start.terminal {
            Some(terminal) => self.at_terminal(command, terminal.size).await,
            None => self.at_pipes(command).await,
        }
    }

    async fn at_terminal(&self, mut command: Command, size: Size) -> io::Result<Shell> {
        let (ours, theirs) = open_terminal(size)?;
        command.stdin(theirs.try_clone()?).stdout(theirs.try_clone()?).stderr(theirs);
        // With the command, their side is closed here.
        let (_, service) = self.keep_going(command).await?;
        // It reads and writes as pipes do.
        let input = Sender::from_owned_fd_unchecked(ours.try_clone()?)?;
        let output = Receiver::from_owned_fd_unchecked(ours.try_clone()?)?;
        Ok(Shell { service, terminal: Some(ours), input, output, errors: None })
    }

    async fn at_pipes(&self, mut command: Command) -> io::Result<Shell> {
        let (their_input, input) = pipe()?;
        let (output, their_output) = pipe()?;
        let (errors, their_errors) = pipe()?;
        command.stdin(their_input).stdout(their_output).stderr(their_errors);
        let (_, service) = self.keep_going(command).await?;
        let input = Sender::from_owned_fd(input.into())?;
        let output = Receiver::from_owned_fd(output.into())?;
        let errors = Some(Receiver::from_owned_fd(errors.into())?);
        Ok(Shell { service, terminal: None, input, output, errors })
    }
}

/// Our side of a new terminal, and theirs.
fn open_terminal(size: Size) -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let ours = openpt(flags)?;
    unlockpt(&ours)?;
    let theirs = ioctl_tiocgptpeer(&ours, flags)?;
    // It is agentd's own: the command user could not open it by its name.
    fchmod(&theirs, Mode::from_raw_mode(0o666))?;
    resize(&ours, size)?;
    ioctl_fionbio(&ours, true)?;
    Ok((ours, theirs))
}

/// Gives a terminal another size, and tells its programs.
pub(crate) fn resize(terminal: impl AsFd, size: Size) -> io::Result<()> {
    let size = Winsize { ws_row: size.rows, ws_col: size.cols, ws_xpixel: 0, ws_ypixel: 0 };
    Ok(tcsetwinsize(terminal, size)?)
}
