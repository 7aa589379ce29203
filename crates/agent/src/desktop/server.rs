//! The X server: one `Xvnc`, and a window manager if there is one. They outlive the steps they serve.
//! Nothing of it listens on TCP.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::sync::OnceCell;
use tokio::time::{sleep, timeout};

use crate::step::{Environment, Place, Runner, Service, is_installed};

/// The program that makes a sandbox one with a desktop.
pub(crate) const SERVER: &str = "Xvnc";

/// What commands find it by.
pub(crate) const DISPLAY: &str = ":1";

/// Where it speaks RFB. Whoever puts something else there fools only those who watch this job.
const RFB: &str = "/tmp/.cagent-rfb";

/// What it complains about.
const LOG: &str = "/tmp/.cagent-desktop.log";

/// What is there once windows are managed, or nobody is there to do that.
const MANAGED: &str = "/tmp/.cagent-desktop-managed";

/// What a screen has to begin with, and whenever a person has let go of it: width and height.
pub(super) const SIZE: (u16, u16) = (1280, 800);

/// Starts it, as large as `size` says.
const START: &str = include_str!("start.sh");

/// How long it may take to start: on a cold disk it takes seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long windows may have to wait until they are managed: from then on they get the keyboard when
/// they open, until then not even the one that was there before.
const MANAGED_PATIENCE: Duration = Duration::from_secs(3);

/// How often to look whether it has started.
const LOOK: Duration = Duration::from_millis(5);

const NOT_THERE: &str = "this sandbox has no desktop, because it has no Xvnc: use an image with a \
     desktop, or, where sandboxes have the host's programs, install TigerVNC on the host \
     (`apt-get install tigervnc-standalone-server openbox`)";

/// One that was started.
#[derive(Debug)]
pub(super) struct Server {
    service: Service,
    managed: Managed,
}

/// Whether its windows are managed. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Managed(Rc<OnceCell<()>>);

/// Why a sandbox with this environment has no desktop, if it has none.
pub(super) fn absent(environment: &Environment) -> Option<&'static str> {
    let path = environment.get("PATH").map_or("", String::as_str);
    (!is_installed(SERVER, path)).then_some(NOT_THERE)
}

/// A connection by RFB.
pub(super) async fn connect() -> io::Result<UnixStream> {
    UnixStream::connect(RFB).await
}

impl Server {
    /// Starts it; it takes connections then.
    pub(super) async fn start(runner: &Runner, place: &Place) -> Result<Self, String> {
        if let Some(why) = absent(&place.environment) {
            return Err(why.into());
        }
        let (width, height) = SIZE;
        let script = format!("size={width}x{height}\n{START}");
        let started = runner.serve(&script, place).await;
        let mut service = started.map_err(|error| format!("start the desktop: {error}"))?;
        let ready = tokio::select! {
            _ = service.ended() => {
                let why = runner.last_line(Path::new(LOG)).await.unwrap_or_default();
                return Err(format!("the desktop did not start: {}", why.escape_debug()));
            }
            ready = timeout(PATIENCE, listens()) => ready,
        };
        match ready {
            Ok(Ok(())) => Ok(Self { service, managed: Managed::default() }),
            Ok(Err(error)) => Err(format!("the desktop takes no connections: {error}")),
            Err(_) => {
                service.kill().await;
                let seconds = PATIENCE.as_secs();
                Err(format!("the desktop did not start within {seconds} s; try again"))
            }
        }
    }

    pub(super) fn lives(&mut self) -> bool {
        self.service.lives()
    }

    pub(super) fn managed(&self) -> Managed {
        self.managed.clone()
    }
}

impl Managed {
    /// Waits for it, then for what comes next, for a moment: who does not manage in time is not waited
    /// for again.
    pub(super) async fn wait(&self, next: impl Future) {
        let there = async {
            while !Path::new(MANAGED).exists() {
                sleep(LOOK).await;
            }
            next.await;
        };
        self.0.get_or_init(|| async { drop(timeout(MANAGED_PATIENCE, there).await) }).await;
    }
}

async fn listens() -> io::Result<()> {
    loop {
        match connect().await {
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) =>
            {
                sleep(LOOK).await;
            }
            connected => return connected.map(drop),
        }
    }
}
