//! Our half of the way into a sandbox that sees none of our directories: `agentd bridge`, started by
//! `exec`, brings the connections that agentd makes, many over one stream; each is passed on to the
//! gateway's socket.
//!
//! Not here: the other half (crate `agent`), the gateway itself.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::exec::StartExecResults;
use bollard::models::ExecConfig;
use futures_util::{StreamExt, future, stream};
use tokio_util::compat::{FuturesAsyncReadCompatExt, TokioAsyncReadCompatExt};
use tokio_util::io::StreamReader;
use yamux::{Config, Connection, Mode};

use crate::socket;

/// Connections at one time: agentd's own few, and twice the tunnels that a gateway opens.
const MAX_STREAMS: usize = 512;

/// What a stream may have under way, by yamux's specification.
const WINDOW_BYTES: usize = 256 * 1024;

/// Pauses between bridges that break: from one that nobody notices to one that costs nothing.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// Keeps a bridge open from a running container to the gateway's socket in this directory.
pub(crate) async fn keep(
    docker: &Docker,
    container: &str,
    gateway: &Path,
) -> std::convert::Infallible {
    let mut pause = FIRST_PAUSE;
    loop {
        match open(docker, container, gateway).await {
            Ok(()) => pause = FIRST_PAUSE,
            Err(e) => tracing::debug!(container, "the bridge into a container broke: {e}"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LAST_PAUSE);
    }
}

/// One bridge, until it ends.
async fn open(docker: &Docker, container: &str, gateway: &Path) -> Result<(), Error> {
    let command = ExecConfig {
        cmd: Some(vec![format!("{}/bin/agentd", protocol::TOOLS), "bridge".into()]),
        user: Some("0:0".into()),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        ..ExecConfig::default()
    };
    let exec = docker.create_exec(container, command).await?.id;
    let StartExecResults::Attached { output, input } = docker.start_exec(&exec, None).await? else {
        return Ok(());
    };
    let said = output.filter_map(|piece| future::ready(payload(piece)));
    let both = tokio::io::join(StreamReader::new(Box::pin(said)), input);
    let mut config = Config::default();
    config.set_max_num_streams(MAX_STREAMS);
    config.set_max_connection_receive_window(Some(MAX_STREAMS * WINDOW_BYTES));
    let mut connection = Connection::new(both.compat(), config, Mode::Server);
    let arriving = stream::poll_fn(|cx| connection.poll_next_inbound(cx));
    arriving
        .for_each(|arrived| {
            if let Ok(stream) = arrived {
                tokio::spawn(pass_on(stream, gateway.to_owned()));
            }
            future::ready(())
        })
        .await;
    Ok(())
}

/// agentd tries again what breaks.
async fn pass_on(stream: yamux::Stream, gateway: PathBuf) {
    if let Ok(gateway) = socket::connect(&gateway).await {
        protocol::relay(stream.compat(), gateway).await;
    }
}

/// What the bridge says; its complaints are for our log.
fn payload(piece: Result<LogOutput, Error>) -> Option<io::Result<bytes::Bytes>> {
    match piece {
        Ok(LogOutput::StdOut { message } | LogOutput::Console { message }) => Some(Ok(message)),
        Ok(LogOutput::StdErr { message }) => {
            tracing::debug!(
                "a bridge says: {}",
                String::from_utf8_lossy(&message).trim().escape_debug()
            );
            None
        }
        Ok(LogOutput::StdIn { .. }) => None,
        Err(e) => Some(Err(io::Error::other(e))),
    }
}
