//! Connections into a sandbox, asked for and brought.

use futures_util::future::join_all;
use gateway::{DialError, Dialer, Inward};
use protocol::{Client, ClientError, Control, Controls, Dial, Target};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::support::{PATIENCE, Setup};

type Dialled = JoinHandle<Result<Inward, DialError>>;

/// An agent whose control stream has said nothing yet.
async fn agent(setup: &Setup) -> (Client, Controls) {
    let mut agent = setup.client();
    agent.hello("1").await.unwrap();
    let controls = listen(&agent).await;
    (agent, controls)
}

async fn listen(agent: &Client) -> Controls {
    let mut controls = agent.control().await.unwrap();
    assert_eq!(controls.next().await.unwrap(), Some(Control::Ready));
    controls
}

async fn told(controls: &mut Controls) -> Dial {
    match timeout(PATIENCE, controls.next()).await.unwrap().unwrap() {
        Some(Control::Dial(dial)) => dial,
        other => panic!("expected a dial, not {other:?}"),
    }
}

fn dial(dialer: &Dialer, port: u16) -> Dialled {
    let dialer = dialer.clone();
    tokio::spawn(async move { dialer.dial(Target::Port { port }).await })
}

async fn answer(dialled: Dialled) -> Result<Inward, DialError> {
    timeout(PATIENCE, dialled).await.unwrap().unwrap()
}

fn refused(error: ClientError) -> u16 {
    match error {
        ClientError::Refused { status, .. } => status.as_u16(),
        other => panic!("expected a refusal, not {other:?}"),
    }
}

/// Says something to each other, then ends.
async fn talk(mut outside: Inward, mut inside: impl AsyncReadWrite) {
    outside.write_all(b"in").await.unwrap();
    outside.shutdown().await.unwrap();
    let mut heard = String::new();
    inside.read_to_string(&mut heard).await.unwrap();
    inside.write_all(b"out").await.unwrap();
    inside.shutdown().await.unwrap();
    outside.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "inout");
}

trait AsyncReadWrite: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin {}
impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin> AsyncReadWrite for T {}

#[tokio::test]
async fn each_is_told_in_its_order_and_brought_to_who_asked() {
    let setup = Setup::new();
    let (agent, mut controls) = agent(&setup).await;
    let dialer = setup.gateway.dialer();
    let first = dial(&dialer, 1);
    let one = told(&mut controls).await;
    let second = dial(&dialer, 2);
    let two = told(&mut controls).await;
    assert_eq!([one.to, two.to], [1, 2].map(|port| Target::Port { port }));
    assert!(one.n < two.n, "{} {}", one.n, two.n);
    let inside = agent.arrive(two.n).await.unwrap();
    talk(answer(second).await.unwrap(), inside).await;
    let inside = agent.arrive(one.n).await.unwrap();
    talk(answer(first).await.unwrap(), inside).await;
    assert_eq!(refused(agent.arrive(one.n).await.unwrap_err()), 410, "it was brought before");
}

#[tokio::test]
async fn a_reason_against_it_reaches_who_asked() {
    let setup = Setup::new();
    let (agent, mut controls) = agent(&setup).await;
    let dialled = dial(&setup.gateway.dialer(), 1);
    let n = told(&mut controls).await.n;
    assert_eq!(refused(agent.refuse(n, &"x".repeat(5000)).await.unwrap_err()), 413);
    agent.refuse(n, "nothing there").await.unwrap();
    assert_eq!(answer(dialled).await.unwrap_err(), DialError::Refused("nothing there".into()));
    assert_eq!(refused(agent.refuse(n, "again").await.unwrap_err()), 410);
}

#[tokio::test]
async fn who_leaves_is_not_waited_for() {
    let setup = Setup::new();
    let (agent, mut controls) = agent(&setup).await;
    let dialer = setup.gateway.dialer();
    let left = dial(&dialer, 1);
    let n = told(&mut controls).await.n;
    left.abort();
    assert!(left.await.unwrap_err().is_cancelled());
    assert_eq!(refused(agent.arrive(n).await.unwrap_err()), 410);
    assert_eq!(refused(agent.refuse(n, "late").await.unwrap_err()), 410);
    let _stays = dial(&dialer, 2);
    assert_eq!(told(&mut listen(&agent).await).await.to, Target::Port { port: 2 });
}

#[tokio::test]
async fn what_still_waits_is_told_to_every_new_stream() {
    let setup = Setup::new();
    let dialer = setup.gateway.dialer();
    let early = dial(&dialer, 1);
    let (agent, mut controls) = agent(&setup).await;
    let first = told(&mut controls).await;
    drop(controls);
    let mut controls = listen(&agent).await;
    assert_eq!(told(&mut controls).await, first);
    let late = dial(&dialer, 2);
    let second = told(&mut controls).await;
    for (n, dialled) in [(first.n, early), (second.n, late)] {
        let inside = agent.arrive(n).await.unwrap();
        talk(answer(dialled).await.unwrap(), inside).await;
    }
}

#[tokio::test]
async fn a_closed_gateway_lets_nobody_wait() {
    let setup = Setup::new();
    let dialer = setup.gateway.dialer();
    let (_agent, mut controls) = agent(&setup).await;
    let waits = dial(&dialer, 1);
    told(&mut controls).await;
    setup.gateway.close().await;
    assert_eq!(answer(waits).await.unwrap_err(), DialError::Gone);
    assert_eq!(answer(dial(&dialer, 2)).await.unwrap_err(), DialError::Gone);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_does_not_come_is_not_waited_for_for_ever() {
    let setup = Setup::new();
    let dialled = setup.gateway.dialer().dial(Target::Desktop).await;
    assert_eq!(dialled.unwrap_err(), DialError::TimedOut);
}

#[tokio::test]
async fn only_so_many_wait_at_one_time() {
    let setup = Setup::new();
    let (agent, mut controls) = agent(&setup).await;
    let dialer = setup.gateway.dialer();
    let mut waiting = vec![];
    for _ in 0..64 {
        let dialled = dial(&dialer, 1);
        waiting.push((told(&mut controls).await.n, dialled));
    }
    assert_eq!(answer(dial(&dialer, 1)).await.unwrap_err(), DialError::Busy);
    let (n, dialled) = waiting.remove(0);
    agent.refuse(n, "no").await.unwrap();
    answer(dialled).await.unwrap_err();
    let _more = dial(&dialer, 1);
    told(&mut controls).await;
}

#[tokio::test]
async fn open_ones_leave_the_agent_its_connections() {
    let setup = Setup::new();
    let (mut agent, mut controls) = agent(&setup).await;
    let dialer = setup.gateway.dialer();
    let mut open = vec![];
    for _ in 0..3 {
        // All of a round come at once, half of them with a connection.
        let dialled: Vec<_> = (0..60).map(|_| dial(&dialer, 1)).collect();
        let mut numbers = vec![];
        for _ in &dialled {
            numbers.push(told(&mut controls).await.n);
        }
        let brought = numbers.iter().map(async |n| match n % 2 {
            // Who is taken for a stranger in the crowd comes again, as agentd does.
            0 => again(async || agent.refuse(*n, "no").await).await.map(|()| None),
            _ => again(async || agent.arrive(*n).await).await.map(Some),
        });
        let brought = join_all(brought).await.into_iter().map(Result::unwrap);
        let inside: Vec<_> = brought.flatten().collect();
        let outside: Vec<_> = join_all(dialled.into_iter().map(answer)).await;
        open.push((inside, outside.into_iter().flatten().collect::<Vec<_>>()));
    }
    assert!(open.iter().all(|(inside, outside)| inside.len() == outside.len()));
    assert_eq!(agent.report(&[]).await.unwrap().acked, 0);
    setup.gateway.cancel();
    assert_eq!(controls.next().await.unwrap(), Some(Control::Cancel), "the stream from before");
    for (inside, outside) in open.iter_mut() {
        for end in inside {
            end.write_all(b"x").await.unwrap();
        }
        for end in outside {
            assert_eq!(end.read_u8().await.unwrap(), b'x');
        }
    }
}

async fn again<T>(mut call: impl AsyncFnMut() -> Result<T, ClientError>) -> Result<T, ClientError> {
    loop {
        match call().await {
            Err(e) if e.is_passing() => tokio::task::yield_now().await,
            result => return result,
        }
    }
}

/// What a command of the job can say: it can reach the socket, and guess numbers.
#[tokio::test]
async fn without_the_key_nobody_brings_anything() {
    let setup = Setup::new();
    let (agent, mut controls) = agent(&setup).await;
    let dialled = dial(&setup.gateway.dialer(), 1);
    let n = told(&mut controls).await.n;
    let command = setup.client();
    for guess in [n, n + 1, 0, u64::MAX] {
        assert_eq!(refused(command.arrive(guess).await.unwrap_err()), 401);
        assert_eq!(refused(command.refuse(guess, "no").await.unwrap_err()), 401);
    }
    let forged = raw(&setup, &n.to_string(), "Authorization: Bearer forged\r\n").await;
    assert!(forged.starts_with("HTTP/1.1 401"), "{forged:?}");
    // Not even the agent can bring what nobody asked for.
    assert_eq!(refused(agent.arrive(n + 1).await.unwrap_err()), 410);
    assert!(!dialled.is_finished(), "it still waits for the agent");
    let inside = agent.arrive(n).await.unwrap();
    talk(answer(dialled).await.unwrap(), inside).await;
}

/// Before the agent said hello, too.
#[tokio::test]
async fn before_there_is_a_key_nobody_brings_anything() {
    let setup = Setup::new();
    let dialled = dial(&setup.gateway.dialer(), 1);
    for n in ["1", "-1", "x", "18446744073709551616", "1/2", ""] {
        let answer = raw(&setup, n, "").await;
        let refused = ["HTTP/1.1 401", "HTTP/1.1 404"].iter().any(|it| answer.starts_with(it));
        assert!(refused, "{n}: {answer:?}");
    }
    assert!(!dialled.is_finished());
}

/// All that the gateway says to such a call.
async fn raw(setup: &Setup, n: &str, header: &str) -> String {
    let mut stream = UnixStream::connect(setup.socket()).await.unwrap();
    let call = format!(
        "POST {}/{n} HTTP/1.1\r\nHost: g\r\n{header}Connection: upgrade, close\r\n\
         Upgrade: cagent\r\nContent-Length: 0\r\n\r\n",
        protocol::path::DIALS
    );
    stream.write_all(call.as_bytes()).await.unwrap();
    let mut heard = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut heard)).await.unwrap().unwrap();
    heard
}
