use std::fmt;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::num::NonZero;
use std::os::fd::AsFd as _;
use std::process::{Child, Command};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};

use crate::PATIENCE;

/// A person at a terminal of their own, and the program that they have started there. Needs `setsid`
/// of util-linux. Killed when it is dropped.
pub struct Terminal {
    ours: File,
    child: Child,
    shown: Receiver<Vec<u8>>,
    text: String,
    screen: vt100::Parser,
    before: Termios,
}

impl Terminal {
    /// Starts a program, with this many rows and columns.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start(program: &Command, size: (u16, u16)) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let ours = openpt(flags).expect("a terminal");
        unlockpt(&ours).expect("a terminal");
        let theirs = ioctl_tiocgptpeer(&ours, flags).expect("a terminal");
        let before = tcgetattr(&theirs).expect("how it is set up");
        let ours = File::from(ours);
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(program.get_program()).args(program.get_args());
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.current_dir(program.get_current_dir().unwrap_or("/".as_ref()));
        command.env("TERM", "xterm");
        let clone = || theirs.try_clone().expect("a descriptor");
        command.stdin(clone()).stdout(clone()).stderr(clone());
        let mut this = Self {
            shown: listen(ours.try_clone().expect("a descriptor")),
            child: command.spawn().expect("these tests need `setsid` of util-linux"),
            ours,
            text: String::new(),
            screen: vt100::Parser::default(),
            before,
        };
        this.resize(size);
        this
    }

    /// Presses keys.
    ///
    /// # Panics
    /// If the terminal is gone.
    pub fn types(&mut self, keys: &str) {
        self.ours.write_all(keys.as_bytes()).expect("the terminal is there");
    }

    /// Waits until this was shown, and forgets all up to there.
    ///
    /// # Panics
    /// If it is not in [`PATIENCE`].
    pub fn until(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.text.contains(text) {
            if let Err(error) = self.hear(deadline) {
                panic!("no {text:?} in {:?}: {error}", self.text);
            }
        }
        let end = self.text.find(text).map_or(0, |at| at + text.len());
        self.text.drain(..end);
    }

    /// Waits until this stands on the screen, however it was drawn.
    ///
    /// # Panics
    /// If it does not in [`PATIENCE`].
    pub fn until_seen(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.screen.screen().contents().contains(text) {
            if let Err(error) = self.hear(deadline) {
                panic!("no {text:?} on this screen: {error}\n{}", self.screen.screen().contents());
            }
        }
    }

    fn hear(&mut self, deadline: Instant) -> Result<(), RecvTimeoutError> {
        let left = deadline.saturating_duration_since(Instant::now());
        let shown = self.shown.recv_timeout(left)?;
        self.screen.process(&shown);
        self.text += &String::from_utf8_lossy(&shown);
        Ok(())
    }

    /// Gives it another size.
    ///
    /// # Panics
    /// If the terminal is gone.
    pub fn resize(&mut self, (rows, columns): (u16, u16)) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.ours, size).expect("the terminal is there");
        if let (Some(rows), Some(columns)) = (NonZero::new(rows), NonZero::new(columns)) {
            self.screen.screen_mut().set_size(rows, columns);
        }
    }

    /// Sends the program a signal.
    ///
    /// # Panics
    /// If it has ended.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).expect("a process");
        kill_process(pid, signal).expect("it runs");
    }

    /// Waits for the end of the program; its exit code. The terminal must be set up as before.
    ///
    /// # Panics
    /// If it is not.
    pub fn end(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        let ended = loop {
            if let Some(ended) = self.child.try_wait().expect("its end") {
                break ended;
            }
            assert!(Instant::now() < deadline, "it does not end; it showed {:?}", self.text);
            thread::sleep(std::time::Duration::from_millis(10));
        };
        let now = tcgetattr(self.ours.as_fd()).expect("how it is set up");
        let modes = |it: &Termios| (it.local_modes, it.input_modes, it.output_modes);
        assert_eq!(modes(&now), modes(&self.before), "the terminal is left in disorder");
        ended.code()
    }
}

impl fmt::Debug for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terminal").field("child", &self.child).finish_non_exhaustive()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What is shown, until nobody has the terminal any more.
fn listen(mut ours: File) -> Receiver<Vec<u8>> {
    let (show, shown) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = ours.read(&mut bytes) {
            if show.send(bytes[..count].to_vec()).is_err() {
                break;
            }
        }
    });
    shown
}
