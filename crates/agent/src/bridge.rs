//! The way to the gateway where no socket of the host can be seen: the engine starts `agentd bridge` in
//! the sandbox, beside PID 1, and holds its standard input and output. Connections to the gateway's
//! socket, which the bridge listens on, go over these, many at one time.
//!
//! Not here: the other end (crate `engine-docker`).

use std::fs::{DirBuilder, Permissions, remove_file, set_permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::Path;
use std::task::{Context, Poll, ready};

use rustix::process::{DumpableBehavior, Pid, Signal, kill_process, set_dumpable_behavior};
use tokio::io::{Join, Stdin, Stdout, join, stdin, stdout};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt, TokioAsyncReadCompatExt};
use yamux::{Config, Connection, ConnectionError, Mode};

/// What the other end is at.
type Ends = Compat<Join<Stdin, Stdout>>;

/// Listens where agentd looks for the gateway until standard input ends.
///
/// # Errors
/// When the socket cannot be made, or the other end says what makes no sense.
pub fn bridge() -> io::Result<()> {
    // The session key passes here.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(serve(Path::new(protocol::SOCKET)));
    // Standard input may be waited for, by a thread that nobody can call back.
    runtime.shutdown_background();
    done
}

async fn serve(socket: &Path) -> io::Result<()> {
    let listener = listen(socket)?;
    let both = join(stdin(), stdout()).compat();
    let mut connection = Connection::new(both, Config::default(), Mode::Client);
    let mut waiting = None;
    std::future::poll_fn(|cx| poll(&listener, &mut connection, &mut waiting, cx))
        .await
        .map_err(io::Error::other)
}

/// Only agentd enters the directory. A bridge from before, whose engine is gone, must let go of what
/// agentd still holds: it would wait for answers that never come.
fn listen(socket: &Path) -> io::Result<UnixListener> {
    if let Some(dir) = socket.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        // It may be there, as a volume of the image.
        set_permissions(dir, Permissions::from_mode(0o700))?;
    }
    if let Ok(before) = StdUnixStream::connect(socket) {
        let pid = rustix::net::sockopt::socket_peercred(&before)?.pid;
        end(pid)?;
    }
    drop(remove_file(socket));
    UnixListener::bind(socket)
}

fn end(bridge: Pid) -> io::Result<()> {
    match kill_process(bridge, Signal::KILL) {
        Err(rustix::io::Errno::SRCH) | Ok(()) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Passes on who comes to the socket; ready once the other end has gone.
fn poll(
    listener: &UnixListener,
    connection: &mut Connection<Ends>,
    waiting: &mut Option<UnixStream>,
    cx: &mut Context<'_>,
) -> Poll<Result<(), ConnectionError>> {
    loop {
        if waiting.is_none()
            && let Poll::Ready(Ok((stream, _))) = listener.poll_accept(cx)
        {
            *waiting = Some(stream);
        }
        let Some(stream) = waiting.take() else { break };
        match connection.poll_new_outbound(cx) {
            Poll::Ready(opened) => {
                drop(tokio::spawn(protocol::relay(stream, opened?.compat())));
            }
            Poll::Pending => {
                *waiting = Some(stream);
                break;
            }
        }
    }
    // Moves the bytes of all streams; the other end opens none.
    match ready!(connection.poll_next_inbound(cx)) {
        Some(Ok(_)) | None => Poll::Ready(Ok(())),
        Some(Err(error)) => Poll::Ready(Err(error)),
    }
}
