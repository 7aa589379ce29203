//! Keys, reports, control, and strangers.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use gateway::{EgressPolicy, Gateway, KeyState};
use jiff::Timestamp;
use protocol::{Client, ClientError, Control, Report, ReportKind, Verdict};
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;

use crate::support::{Memory, PATIENCE, Setup};

fn report(n: u64) -> Report {
    Report { n, at: Timestamp::now(), report: ReportKind::Finished(Verdict::Complete) }
}

fn status(result: Result<impl std::fmt::Debug, ClientError>) -> u16 {
    match result {
        Err(ClientError::Refused { status, .. }) => status.as_u16(),
        other => panic!("expected a refusal, not {other:?}"),
    }
}

#[tokio::test]
async fn an_agent_gets_a_key_and_reports() {
    let setup = Setup::new();
    let mut agent = setup.client();
    agent.hello("1").await.unwrap();
    assert!(!setup.memory.told.lock().unwrap().used);
    assert_eq!(agent.report(&[report(1), report(2)]).await.unwrap().acked, 2);
    assert_eq!(setup.memory.told.lock().unwrap().reports, [1, 2]);
    assert!(setup.memory.told.lock().unwrap().used);
}

#[tokio::test]
async fn without_the_key_nobody_gets_in_once_it_was_used() {
    let setup = Setup::new();
    let mut agent = setup.client();
    assert_eq!(status(setup.client().report(&[report(1)]).await), 401);
    agent.hello("1").await.unwrap();
    agent.report(&[]).await.unwrap();
    let mut command = setup.client();
    assert_eq!(status(command.hello("1").await), 401);
    assert_eq!(status(command.report(&[report(1)]).await), 401);
    assert_eq!(status(command.control().await), 401);
    assert_eq!(agent.hello("1").await.unwrap().acked, 0);
    assert_eq!(setup.memory.told.lock().unwrap().reports, [0u64; 0]);
}

#[tokio::test]
async fn a_lost_answer_to_hello_can_be_asked_for_again() {
    let setup = Setup::new();
    setup.client().hello("1").await.unwrap();
    let mut agent = setup.client();
    agent.hello("1").await.unwrap();
    agent.report(&[report(1)]).await.unwrap();
}

/// A key is not used before the hello that may replace it was answered: it is out of date then, and
/// who has it can say hello anew.
#[tokio::test]
async fn a_hello_that_is_answered_late_locks_nobody_out() {
    let setup = Setup::new();
    let mut agent = setup.client();
    agent.hello("1").await.unwrap();
    setup.memory.slow.send_replace(true);
    let mut given_up = setup.client();
    let late = tokio::spawn(async move { given_up.hello("1").await });
    setup.memory.hellos.subscribe().wait_for(|hellos| *hellos == 2).await.unwrap();

    let mut used = Box::pin(agent.control());
    assert!(tokio::time::timeout(Duration::from_millis(50), &mut used).await.is_err());
    setup.memory.slow.send_replace(false);
    assert_eq!(status(used.await), 401);
    late.await.unwrap().unwrap();
    let mut anew = setup.client();
    anew.hello("1").await.unwrap();
    anew.report(&[report(1)]).await.unwrap();
}

#[tokio::test]
async fn the_key_outlives_the_gateway() {
    let Setup { dir, memory, gateway } = Setup::new();
    let mut agent = Client::new(dir.path().join(protocol::SOCKET_NAME));
    agent.hello("1").await.unwrap();
    agent.report(&[report(1)]).await.unwrap();
    gateway.close().await;
    assert!(agent.report(&[report(2)]).await.unwrap_err().is_passing());

    let hash = memory.told.lock().unwrap().key.unwrap();
    let policy = EgressPolicy::default();
    let _again = Gateway::open(dir.path(), KeyState::Used(hash), memory, policy, vec![]).unwrap();
    assert_eq!(agent.hello("1").await.unwrap().acked, 1);
    assert_eq!(agent.report(&[report(2)]).await.unwrap().acked, 2);
}

#[tokio::test]
async fn a_socket_that_somebody_removes_is_made_again() {
    let setup = Setup::new();
    let mut early = setup.client();
    early.hello("1").await.unwrap();
    std::fs::remove_file(setup.socket()).unwrap();
    early.report(&[report(1)]).await.unwrap();
    let answered = async {
        loop {
            match setup.client().hello("1").await {
                Err(e) if e.is_passing() => tokio::time::sleep(Duration::from_millis(20)).await,
                stranger => return status(stranger),
            }
        }
    };
    assert_eq!(tokio::time::timeout(PATIENCE, answered).await.unwrap(), 401);
}

#[tokio::test]
async fn a_cancel_arrives_also_when_it_was_said_before() {
    let setup = Setup::new();
    let mut agent = setup.client();
    agent.hello("1").await.unwrap();
    let mut early = agent.control().await.unwrap();
    assert_eq!(early.next().await.unwrap(), Some(Control::Ready));
    setup.gateway.cancel();
    assert_eq!(early.next().await.unwrap(), Some(Control::Cancel));
    let mut late = agent.control().await.unwrap();
    assert_eq!(late.next().await.unwrap(), Some(Control::Ready));
    assert_eq!(late.next().await.unwrap(), Some(Control::Cancel));
    let more = tokio::time::timeout(Duration::from_millis(50), late.next()).await;
    assert!(more.is_err(), "the stream stays open and silent: {more:?}");
    setup.gateway.close().await;
    assert_eq!(late.next().await.unwrap_or(None), None);
}

#[tokio::test]
async fn a_batch_too_large_is_refused() {
    let setup = Setup::new();
    let mut agent = setup.client();
    agent.hello("1").await.unwrap();
    let data = protocol::Data(vec![b'x'; protocol::MAX_BATCH_BYTES]);
    let stream = types::Stream::Stdout;
    let large = ReportKind::Output { step: 1, stream, data };
    let large = Report { n: 1, at: Timestamp::now(), report: large };
    assert_eq!(status(agent.report(&[large]).await), 413);
}

#[tokio::test]
async fn a_hello_too_long_or_no_json_is_refused() {
    let setup = Setup::new();
    for (body, status) in [("no".into(), 400), ("x".repeat(5000), 413)] {
        let stranger = Stranger::call(&setup, protocol::path::HELLO, body.len());
        (&stranger.0).write_all(body.as_bytes()).unwrap();
        let answer = stranger.heard().await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer:?}");
    }
}

/// A connection without the session key.
struct Stranger(UnixStream);

impl Stranger {
    /// Says this and nothing more.
    fn connect(setup: &Setup, say: &str) -> Self {
        let mut stream = UnixStream::connect(setup.socket()).unwrap();
        stream.write_all(say.as_bytes()).unwrap();
        stream.set_nonblocking(true).unwrap();
        Self(stream)
    }

    /// A call whose body does not come.
    fn call(setup: &Setup, path: &str, length: usize) -> Self {
        let head = format!("POST {path} HTTP/1.1\r\nHost: g\r\nConnection: close\r\n");
        Self::connect(setup, &format!("{head}Content-Length: {length}\r\n\r\n"))
    }

    fn is_closed(&mut self) -> bool {
        match self.0.read(&mut [0]) {
            Err(e) if e.kind() == ErrorKind::WouldBlock => false,
            read => read.unwrap_or(0) == 0,
        }
    }

    /// Everything until the gateway closes the connection.
    async fn heard(self) -> String {
        let mut heard = String::new();
        let mut stream = tokio::net::UnixStream::from_std(self.0).unwrap();
        let read = tokio::time::timeout(PATIENCE, stream.read_to_string(&mut heard)).await;
        // A connection that is closed with something unread is reset.
        assert!(read.is_ok(), "the gateway keeps a stranger's connection; it said {heard:?}");
        heard
    }
}

#[tokio::test]
async fn nothing_but_headers_is_read_of_a_stranger() {
    let setup = Setup::new();
    let mut agent = setup.client();
    agent.hello("1").await.unwrap();
    agent.report(&[]).await.unwrap();
    for path in [protocol::path::HELLO, protocol::path::REPORTS] {
        let answer = Stranger::call(&setup, path, protocol::MAX_BATCH_BYTES).heard().await;
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer:?}");
    }
}

#[tokio::test]
async fn strangers_keep_nobody_out_and_do_not_stay() {
    let setup = Setup::new();
    let half = "POST /v1/hello HTTP/1.1\r\nHost: ";
    let mut strangers: Vec<_> = (0..50).map(|_| Stranger::connect(&setup, half)).collect();
    let mut agent = setup.client();
    agent.hello("1").await.unwrap();
    let mut controls = agent.control().await.unwrap();
    assert_eq!(controls.next().await.unwrap(), Some(Control::Ready));
    strangers.extend((0..50).map(|_| Stranger::connect(&setup, half)));
    strangers.push(Stranger::connect(&setup, ""));
    strangers.push(Stranger::call(&setup, protocol::path::HELLO, 10));
    // Whoever comes last is answered when all before it have come in.
    assert_eq!(status(setup.client().report(&[]).await), 401);
    let open = strangers.iter_mut().filter_map(|one| (!one.is_closed()).then_some(())).count();
    assert!(open <= 30, "{open} strangers and the agent's two");

    for stranger in strangers {
        stranger.heard().await;
    }
    agent.report(&[report(1)]).await.expect("the connection from before");
    setup.gateway.cancel();
    assert_eq!(controls.next().await.unwrap(), Some(Control::Cancel));
}

#[tokio::test]
async fn a_directory_with_a_long_path_works() {
    let home = TempDir::new().unwrap();
    let dir = home.path().join("x".repeat(150));
    std::fs::create_dir(&dir).unwrap();
    let (sink, policy) = (Arc::new(Memory::default()), EgressPolicy::default());
    let gateway = Gateway::open(&dir, KeyState::None, sink, policy, vec![]).unwrap();
    assert!(dir.join(protocol::SOCKET_NAME).exists());
    gateway.close().await;
    assert!(!dir.join(protocol::SOCKET_NAME).exists());
}
