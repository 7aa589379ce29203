//! Ways into the sandbox: what the orchestrator names is connected to, and brought to the gateway.
//!
//! Whatever is behind them is the job's own: a command can put itself in the place of any of it.
//! Who may ask for a connection is decided outside.
//!
//! Not here: the desktop itself ([`crate::desktop`]).

mod jupyter;
mod port;
mod shell;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use protocol::{Dial, Dialled, Target, relay};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio::task::spawn_local;

use crate::desktop::Desktop;
use crate::link::Link;
use crate::step::Runner;
pub(crate) use jupyter::Jupyter;

/// The most that are open or being made. A page of Jupyter Lab with a few notebooks has a dozen;
/// each takes two descriptors, and the limit is 4096.
const MOST: usize = 128;

/// The most programs of people at one time.
const MOST_SHELLS: usize = 8;

/// The longest reason against one; the gateway takes twice as much.
const MAX_WHY_BYTES: usize = 2 * 1024;

/// Brings connections from inside. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Inward {
    link: Rc<Link>,
    runner: Rc<Runner>,
    desktop: Rc<Desktop>,
    jupyter: Rc<Jupyter>,
    room: Arc<Semaphore>,
    shells: Arc<Semaphore>,
    known: Rc<RefCell<Dialled>>,
}

impl Inward {
    pub(crate) fn new(
        link: Rc<Link>,
        runner: Rc<Runner>,
        desktop: Rc<Desktop>,
        jupyter: Jupyter,
    ) -> Self {
        let room = Arc::new(Semaphore::new(MOST));
        let shells = Arc::new(Semaphore::new(MOST_SHELLS));
        let jupyter = Rc::new(jupyter);
        Self { link, runner, desktop, jupyter, room, shells, known: Rc::default() }
    }

    /// Opens a connection beside all that goes on, or says why there is none; unless it was asked
    /// for before: streams repeat what they said.
    pub(crate) fn open(&self, dial: Dial) {
        if !self.known.borrow_mut().is_new(dial.n) {
            return;
        }
        let this = self.clone();
        spawn_local(async move {
            let done = match this.room.clone().try_acquire_owned() {
                Ok(_room) => this.bring(&dial).await,
                Err(_) => Err(format!(
                    "{MOST} connections into this sandbox are open already; close some"
                )),
            };
            if let Err(mut why) = done {
                why.truncate(why.floor_char_boundary(MAX_WHY_BYTES));
                this.link.refuse(dial.n, &why).await;
            }
        });
    }

    /// Returns when the connection is over, or why there was none.
    async fn bring(&self, dial: &Dial) -> Result<(), String> {
        match dial.to {
            Target::Port { port } => self.join(dial.n, port::connect(port).await?).await,
            Target::Desktop => {
                let desktop = self.desktop.rfb().await?;
                self.join(dial.n, of_user(self.jupyter.uid(), desktop)?).await;
            }
            Target::Jupyter => {
                let jupyter = self.jupyter.connect().await?;
                self.join(dial.n, of_user(self.jupyter.uid(), jupyter)?).await;
            }
            Target::Screenshot => self.hand_over(dial.n, &self.desktop.screenshot().await?).await,
            Target::Shell => self.shell(dial.n).await?,
        }
        Ok(())
    }

    async fn join(&self, n: u64, inside: impl AsyncRead + AsyncWrite) {
        // Else nobody waits for it any more.
        if let Ok(outside) = self.link.arrive(n).await {
            relay(outside, inside).await;
        }
    }

    async fn shell(&self, n: u64) -> Result<(), String> {
        let _seat = self.shells.try_acquire().map_err(|_| {
            format!("{MOST_SHELLS} shells are open in this sandbox already; close one")
        })?;
        if let Ok(outside) = self.link.arrive(n).await {
            shell::serve(&self.runner, outside).await;
        }
        Ok(())
    }

    async fn hand_over(&self, n: u64, bytes: &[u8]) {
        if let Ok(mut outside) = self.link.arrive(n).await {
            // Whoever asked may be gone; there is nobody else to tell.
            drop(outside.write_all(bytes).await);
            drop(outside.shutdown().await);
        }
    }
}

/// What a command put in the place of a socket of ours may be a link to one that only agentd may use,
/// and whose other end is outside.
fn of_user(uid: u32, stream: UnixStream) -> Result<UnixStream, String> {
    let peer = stream.peer_cred().map_err(|e| format!("ask who listens: {e}"))?;
    // Processes outside have no number in here.
    let is_inside = peer.pid().is_some_and(|pid| pid > 0);
    if is_inside && peer.uid() == uid {
        return Ok(stream);
    }
    Err("what listens there is none of this job's programs".into())
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixListener;

    use super::*;

    #[tokio::test]
    async fn only_the_jobs_own_programs_are_connected_to() {
        let dir = tempfile::tempdir().unwrap();
        let (socket, link) = (dir.path().join("socket"), dir.path().join("link"));
        let _listener = UnixListener::bind(&socket).unwrap();
        std::os::unix::fs::symlink(&socket, &link).unwrap();
        let own = rustix::process::geteuid().as_raw();
        of_user(own, UnixStream::connect(&link).await.unwrap()).unwrap();
        let refused = of_user(own + 1, UnixStream::connect(&link).await.unwrap()).unwrap_err();
        assert!(refused.contains("none of this job's"), "{refused}");
    }
}
