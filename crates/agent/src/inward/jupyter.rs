//! Jupyter Lab: started when it is first wanted, as the command user, and kept until the job is over.
//!
//! It asks for no token: only its socket leads to it, and to that only the job's own commands, which
//! need no Jupyter to run something, and those whom the orchestrator let in.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::net::UnixStream;
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use crate::step::{Place, Runner, Service};

/// Where it listens.
const SOCKET: &str = "/tmp/jupyter.sock";

/// What it complains about.
const LOG: &str = "/tmp/jupyter.log";

/// Everybody may write to the socket, since agentd is not the command user; nobody else is there.
/// `pip install --user` puts programs where no PATH leads.
///
/// Who opens it is not asked whether it shall fetch news; they can still choose that in its settings.
const COMMAND: &str = r#"PATH="$PATH:$HOME/.local/bin"
mkdir -p /tmp/jupyter/labconfig
echo '{"@jupyterlab/apputils-extension:notification": {"fetchNews": "false"}}' \
    >/tmp/jupyter/labconfig/default_setting_overrides.json
export JUPYTER_CONFIG_PATH="/tmp/jupyter${JUPYTER_CONFIG_PATH:+:$JUPYTER_CONFIG_PATH}"
exec jupyter-lab --no-browser --log-level=WARN \
    --ServerApp.sock=/tmp/jupyter.sock --ServerApp.sock_mode=0666 \
    --ServerApp.root_dir="$PWD" --ServerApp.allow_remote_access=True --IdentityProvider.token= \
    --LabApp.news_url=None --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate \
    >/tmp/jupyter.log 2>&1"#;

/// How long it may take to start: a little less than the orchestrator waits.
const PATIENCE: Duration = Duration::from_secs(25);

/// How often to look whether it has started.
const LOOK: Duration = Duration::from_millis(20);

/// How long to try again while it has no room for further connections.
const BUSY_PATIENCE: Duration = Duration::from_secs(2);

/// What a shell says when there is no such program.
const NOT_FOUND: i32 = 127;

/// The one of this sandbox.
#[derive(Debug)]
pub(crate) struct Jupyter {
    runner: Rc<Runner>,
    place: Place,
    /// Locked while it starts: those who come meanwhile wait for the same one.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Was started, and nobody was connected to it yet.
    starting: Option<Service>,
    /// Somebody was.
    running: Option<Service>,
}

impl Jupyter {
    /// Where and with what variables it will run.
    pub(crate) fn new(runner: Rc<Runner>, place: Place) -> Self {
        Self { runner, place, state: Mutex::default() }
    }

    /// Whose processes it is one of.
    pub(super) fn uid(&self) -> u32 {
        let user = self.runner.command_user;
        user.map_or_else(|| rustix::process::geteuid().as_raw(), |user| user.uid)
    }

    /// A connection by HTTP. Starts it if it does not run, or not any more.
    pub(super) async fn connect(&self) -> Result<UnixStream, String> {
        let mut state = self.state.lock().await;
        match reach(SOCKET).await {
            Err(e) if is_nobody(&e) => {}
            connected => {
                let slow = state.starting.take();
                state.running = state.running.take().or(slow);
                return connected.map_err(|e| format!("connect to Jupyter Lab: {e}"));
            }
        }
        if let Some(dead) = state.running.take() {
            // Its kernels live on.
            dead.kill().await;
        }
        let mut new = match state.starting.take() {
            Some(slow) => slow,
            None => self.start().await?,
        };
        tokio::select! {
            code = new.ended() => Err(self.why(code).await),
            stream = timeout(PATIENCE, answered()) => match stream {
                Ok(stream) => {
                    state.running = Some(new);
                    stream
                }
                Err(_) => {
                    state.starting = Some(new);
                    Err("Jupyter Lab is still starting; try again".into())
                }
            }
        }
    }

    async fn start(&self) -> Result<Service, String> {
        let started = self.runner.serve(COMMAND, &self.place).await;
        started.map_err(|e| format!("start Jupyter Lab: {e}"))
    }

    async fn why(&self, code: i32) -> String {
        if code == NOT_FOUND {
            return "there is no Jupyter Lab in this sandbox: use an image that has it, or let the \
                    job run `pip install jupyterlab`"
                .into();
        }
        let complaint = self.runner.last_line(Path::new(LOG)).await.unwrap_or_default();
        format!("Jupyter Lab did not start, exit code {code}: {complaint}")
    }
}

async fn answered() -> Result<UnixStream, String> {
    loop {
        match reach(SOCKET).await {
            Err(e) if is_nobody(&e) => sleep(LOOK).await,
            connected => return connected.map_err(|e| format!("connect to Jupyter Lab: {e}")),
        }
    }
}

/// Where TCP would wait for room in the other's queue, these sockets say at once that there is none.
async fn reach(socket: &str) -> io::Result<UnixStream> {
    let began = Instant::now();
    loop {
        match UnixStream::connect(socket).await {
            Err(e) if e.kind() == ErrorKind::WouldBlock && began.elapsed() < BUSY_PATIENCE => {
                sleep(LOOK).await;
            }
            connected => return connected,
        }
    }
}

fn is_nobody(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[tokio::test]
    async fn who_is_busy_for_a_moment_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let (listener, path) = (UnixListener::bind(&path).unwrap(), path.to_str().unwrap());
        rustix::net::listen(&listener, 0).unwrap();
        let _first = UnixStream::connect(path).await.unwrap();
        let full = UnixStream::connect(path).await.unwrap_err();
        assert_eq!(full.kind(), ErrorKind::WouldBlock);
        let room = async { drop(listener.accept().unwrap()) };
        let (second, ()) = tokio::join!(reach(path), room);
        second.unwrap();
    }
}
