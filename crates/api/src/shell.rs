//! A program that a person runs in a job's sandbox, at the other end of a connection.
//!
//! Not here: what is said on it ([`jobs::shell`]).

use std::pin::pin;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::header::{CONNECTION, UPGRADE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use hyper_util::rt::TokioIo;
use jobs::DialError;
use jobs::shell::{Size, Start, Terminal};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy, sink, split};
use types::JobId;
use utoipa::IntoParams;

use crate::Api;
use crate::access::Caller;
use crate::code::Code;
use crate::desktop::no_way;
use crate::extract::{JobPath, Params};
use crate::problem::Problem;
use crate::refusals::{DialProblems, FullProblem, InvalidParams, JobProblems};

/// What the connection becomes.
pub const PROTOCOL: &str = "cagent-shell";

/// What `TERM` says where nobody knows better.
const USUAL_KIND: &str = "xterm-256color";

/// What is held of what comes from the program.
const BUFFER_BYTES: usize = 16 * 1024;

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the description; `wanted` reads the parameters")]
pub(crate) struct ShellParams {
    /// The program, and its arguments by further ones: `command=ls&command=-l`. Without it, a shell.
    /// At most 16 KiB in all.
    #[param(explode = true, pattern = "^[^\\x00]*$")]
    command: Option<Vec<String>>,
    /// Whether it gets a terminal, and not three pipes.
    tty: Option<bool>,
    /// The lines of its terminal; 0 where nobody knows.
    #[param(maximum = 65535)]
    rows: Option<u16>,
    /// The characters of a line of its terminal; 0 where nobody knows.
    #[param(maximum = 65535)]
    cols: Option<u16>,
    /// What `TERM` says [default: xterm-256color].
    #[param(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9+._-]*$")]
    term: Option<String>,
}

/// Run a program beside a job
///
/// For people, by `cagent attach` and `cagent exec`: with `Upgrade: cagent-shell` the connection becomes
/// one to a program in the job's sandbox, which has a command's rights and limits, begins in the
/// workspace, and sees the variables that a step would see. What is run stands in the job's events. It
/// is ended with all it started when the connection ends; 8 are open at most.
///
/// Both sides speak in frames: a length (4 bytes, big endian, of what follows), a kind (1 byte), a body
/// of at most 64 KiB. To the program: 1 input, 2 no more input (empty), 3 the terminal's size (rows and
/// columns, 2 bytes each), 4 a signal (1 byte: 2 or 15). From it: 1 output, 2 standard error, 3 the exit
/// code (4 bytes), which is the last, 4 how much input was taken (4 bytes): more than 256 KiB that are
/// not end the connection.
#[utoipa::path(get, path = "/v1/jobs/{id}/shell", tag = "desktop", operation_id = "shell",
    params(("id" = JobId, Path, description = "The job"), ShellParams),
    responses((status = 101, description = "From here on it speaks in frames"), InvalidParams,
        (status = 426, description = "`upgrade_needed`", body = Problem,
            content_type = "application/problem+json",
            example = json!(needs_upgrade())),
        DialProblems, FullProblem, JobProblems))]
pub(crate) async fn shell(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    JobPath(job): JobPath,
    Params(params): Params<Vec<(String, String)>>,
    mut request: Request,
) -> Result<Response, Problem> {
    let start = wanted(params)?;
    if !wants_shell(request.headers()) {
        return Err(needs_upgrade());
    }
    let sandbox = api.jobs.shell(job, start).await.map_err(refused)?;
    let (jobs, upgrade) = (api.jobs.clone(), hyper::upgrade::on(&mut request));
    tokio::spawn(async move {
        match upgrade.await {
            Ok(person) => tokio::select! {
                () = jobs.lapsed(Some(caller)) => {}
                () = carry(TokioIo::new(person), sandbox) => {}
            },
            Err(e) => tracing::debug!(%job, "who wanted a shell left before it was there: {e}"),
        }
    });
    let head = [(CONNECTION, "upgrade"), (UPGRADE, PROTOCOL)];
    Ok((StatusCode::SWITCHING_PROTOCOLS, head).into_response())
}

/// Carries what is said both ways until the person has left: a program that reads no more may have
/// something to say still, and they may read that when they like.
async fn carry(person: impl AsyncRead + AsyncWrite, sandbox: impl AsyncRead + AsyncWrite) {
    let ((mut said, shown), (written, mut read)) = (split(person), split(sandbox));
    let mut left = pin!(async {
        // How they ended is between those two.
        let _ = copy(&mut said, &mut read).await;
        let _ = copy(&mut said, &mut sink()).await;
    });
    tokio::select! {
        // What they say after we had closed would destroy what they have not read yet.
        () = show(written, shown) => left.await,
        () = &mut left => {}
    }
}

/// Passes on all there is, however it ends.
async fn show(mut written: impl AsyncRead + Unpin, mut shown: impl AsyncWrite + Unpin) {
    let mut bytes = vec![0; BUFFER_BYTES];
    while let Ok(count @ 1..) = written.read(&mut bytes).await {
        if shown.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
    // Whoever has gone already needs none.
    let _ = shown.shutdown().await;
}

fn wanted(params: Vec<(String, String)>) -> Result<Start, Problem> {
    let (mut command, mut tty, mut size) = (vec![], None, [None, None]);
    let mut kind = None;
    for (name, value) in params {
        let wrong = |what: &str| Problem::field(Code::InvalidField, &name, what);
        let number =
            || value.parse::<u16>().map_err(|_| wrong("must be a whole number, 0 to 65535"));
        match name.as_str() {
            "command" => command.push(value),
            "tty" if tty.is_none() => {
                tty = Some(value.parse::<bool>().map_err(|_| wrong("must be `true` or `false`"))?);
            }
            "rows" if size[0].is_none() => size[0] = Some(number()?),
            "cols" if size[1].is_none() => size[1] = Some(number()?),
            "term" if kind.is_none() => kind = Some(value),
            "tty" | "rows" | "cols" | "term" => return Err(wrong("is there twice")),
            _ => {
                return Err(wrong("unknown; expected `command`, `tty`, `rows`, `cols` or `term`"));
            }
        }
    }
    let [rows, cols] = size.map(Option::unwrap_or_default);
    let kind = kind.unwrap_or_else(|| USUAL_KIND.into());
    let terminal = Terminal { kind, size: Size { rows, cols } };
    // What is wrong with a terminal is said also of one that nobody gets.
    let start = Start::new(command, Some(terminal)).map_err(|error| {
        let field = if error == jobs::shell::InvalidStart::Kind { "term" } else { "command" };
        Problem::field(Code::InvalidField, field, error.to_string())
    })?;
    Ok(Start { terminal: start.terminal.filter(|_| tty == Some(true)), ..start })
}

fn wants_shell(headers: &HeaderMap) -> bool {
    let wanted = headers.get(UPGRADE);
    wanted.is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(PROTOCOL.as_bytes()))
}

fn needs_upgrade() -> Problem {
    let how =
        format!("send `Connection: upgrade` and `Upgrade: {PROTOCOL}`, as `cagent exec` does");
    Problem::new(Code::UpgradeNeeded, how)
}

/// Why there is none. What the sandbox says of it is but text.
fn refused(error: DialError) -> Problem {
    match error {
        DialError::Refused(why) => Problem::new(Code::SandboxBusy, why),
        error => no_way(error),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::duplex;
    use tokio::sync::oneshot;
    use tokio::sync::oneshot::error::TryRecvError;
    use tokio::task::yield_now;
    use tokio::time::{advance, timeout};

    use super::*;

    /// Far above what anything here may take.
    const PATIENCE: Duration = Duration::from_secs(30);

    fn asked(query: &[(&str, &str)]) -> Result<Start, String> {
        let query = query.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
        wanted(query).map_err(|problem| problem.detail)
    }

    #[test]
    fn a_command_is_words_and_a_terminal_has_a_size() {
        let start = asked(&[("command", "ls"), ("command", "a b"), ("rows", "9")]).unwrap();
        assert_eq!(start, Start { command: vec!["ls".into(), "a b".into()], terminal: None });
        let start = asked(&[("tty", "true"), ("rows", "24"), ("cols", "80")]).unwrap();
        let size = Size { rows: 24, cols: 80 };
        let terminal = Some(Terminal { kind: USUAL_KIND.into(), size });
        assert_eq!(start, Start { command: vec![], terminal });
    }

    #[test]
    fn a_wrong_parameter_is_named_with_what_is_right() {
        for (name, value, word) in [
            ("tty", "yes", "`true`"),
            ("rows", "-1", "65535"),
            ("cols", "65536", "65535"),
            ("size", "1", "`rows`"),
            ("command", "a\0", "NUL"),
            ("command", &"x".repeat(20_000), "16384"),
            ("command", &"\x01".repeat(16_000), "control characters"),
            ("term", "a b", "xterm"),
        ] {
            let problem = asked(&[(name, value)]).unwrap_err();
            assert!(problem.contains(name) && problem.contains(word), "{problem}");
        }
        assert!(asked(&[("tty", "true"), ("tty", "true")]).unwrap_err().contains("twice"));
    }

    /// A program that has seen enough of its input is still writing when its side closes.
    #[tokio::test]
    async fn all_that_was_written_arrives_though_nobody_reads_what_is_said() {
        let ((person, here), (there, mut sandbox)) = (duplex(16), duplex(1024));
        let carried = tokio::spawn(carry(here, there));
        let (mut seen, mut says) = split(person);
        let (over, mut says_on) = oneshot::channel::<()>();
        let said = tokio::spawn(async move {
            while says_on.try_recv() == Err(TryRecvError::Empty) {
                says.write_all(b"yes\n").await.unwrap();
            }
        });
        let program = tokio::spawn(async move {
            sandbox.read_exact(&mut [0; 4]).await.unwrap();
            sandbox.write_all(&[7; 10_000]).await.unwrap();
        });
        let mut all = vec![];
        timeout(PATIENCE, seen.read_to_end(&mut all)).await.unwrap().unwrap();
        // They take their time.
        tokio::time::pause();
        advance(Duration::from_secs(3600)).await;
        tokio::time::resume();
        for _ in 0..1000 {
            yield_now().await;
        }
        program.await.unwrap();
        assert_eq!(all.len(), 10_000);
        over.send(()).unwrap();
        timeout(PATIENCE, said).await.unwrap().expect("nothing that was said broke the connection");
        drop(seen);
        timeout(PATIENCE, carried).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn it_ends_when_the_person_has_left() {
        let ((person, here), (there, mut sandbox)) = (duplex(16), duplex(16));
        let carried = tokio::spawn(carry(here, there));
        drop(person);
        timeout(PATIENCE, carried).await.unwrap().unwrap();
        assert_eq!(sandbox.read(&mut [0; 16]).await.unwrap(), 0);
    }
}
