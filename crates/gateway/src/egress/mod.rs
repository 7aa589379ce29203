//! A job's way out: each `CONNECT` becomes a connection to a host that the job's policy allows.
//! Whatever is not allowed or does not work is answered at once, and everything is told the sink.

mod account;
mod dial;
mod ledger;
mod policy;
mod relay;

use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{CONNECTION, CONTENT_TYPE};
use axum::http::uri::Authority;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;
use types::EgressVerdict;

use crate::Sink;
use account::{Account, Entry};
use dial::{Failure, dial};
pub use policy::EgressPolicy;

/// The most connections of one job that are open or being made.
const MAX_OF_JOB: usize = 256;

/// The most of all jobs; each takes two descriptors.
static ROOM: Semaphore = Semaphore::const_new(8 * 1024);

/// The most names of one job that are looked up at once, so that none can keep the others waiting.
const MAX_LOOKUPS: usize = 8;

/// One job's way out.
#[derive(Clone, Debug)]
pub(crate) struct Exit {
    policy: EgressPolicy,
    room: Arc<Semaphore>,
    lookups: Arc<Semaphore>,
    account: Arc<Account>,
    closing: CancellationToken,
    _holds: TaskTrackerToken,
}

impl Exit {
    pub(crate) fn new(policy: EgressPolicy, closing: CancellationToken) -> Self {
        let account = Account::new();
        Self {
            policy,
            room: Arc::new(Semaphore::new(MAX_OF_JOB)),
            lookups: Arc::new(Semaphore::new(MAX_LOOKUPS)),
            _holds: account.hold(),
            account,
            closing,
        }
    }

    /// Tells the sink of every connection, until the gateway is closed, the last one has ended and
    /// all other clones of this are gone.
    pub(crate) async fn tell(self, sink: Arc<dyn Sink>) {
        let Self { account, closing, _holds: holds, .. } = self;
        drop(holds);
        account.tell(sink.as_ref(), &closing).await;
    }

    /// Answers a `CONNECT`. Who asks has shown the session key.
    pub(crate) async fn connect(&self, mut request: Request<Incoming>) -> Response {
        let Some((host, port)) = request.uri().authority().and_then(target) else {
            let why = "expected CONNECT HOST:PORT with a port from 1 to 65535";
            return refusal(StatusCode::BAD_REQUEST, why.into());
        };
        let mut entry = self.account.enter(&host, port);
        let connected = self.open(&host, port).await;
        entry.set_outcome(connected.as_ref().map(drop).map_err(Clone::clone));
        match connected {
            Ok((stream, place)) => {
                let job = hyper::upgrade::on(&mut request);
                tokio::spawn(self.clone().carry(job, stream, entry, place));
                Response::new(Body::empty())
            }
            Err(failure) => refusal(failure.status, failure.why),
        }
    }

    async fn open(&self, host: &str, port: u16) -> Result<(TcpStream, Place), Failure> {
        let place = self.place()?;
        let dialing = dial(&self.policy, &self.lookups, (host, port));
        let connected = self.closing.run_until_cancelled(dialing).await;
        let over = || Err(Failure::unavailable("the job is over"));
        Ok((connected.unwrap_or_else(over)?, place))
    }

    fn place(&self) -> Result<Place, Failure> {
        let of_job = self.room.clone().try_acquire_owned().map_err(|_| {
            Failure::unavailable("this job has 256 connections open; close some and try again")
        })?;
        let of_all = ROOM
            .try_acquire()
            .map_err(|_| Failure::unavailable("there are too many connections; try again"))?;
        Ok(Place { _of_job: of_job, _of_all: of_all })
    }

    async fn carry(self, job: OnUpgrade, host: TcpStream, entry: Entry, _place: Place) {
        let carrying = async {
            // If the agent has gone meanwhile, there is nobody to carry for.
            if let Ok(job) = job.await {
                relay::relay(&entry, TokioIo::new(job), host).await;
            }
        };
        let _ = self.closing.run_until_cancelled(carrying).await;
    }
}

/// Room for one connection.
struct Place {
    _of_job: OwnedSemaphorePermit,
    _of_all: SemaphorePermit<'static>,
}

impl Failure {
    fn verdict(&self) -> EgressVerdict {
        match self.status {
            StatusCode::FORBIDDEN => EgressVerdict::Refused,
            _ => EgressVerdict::Failed,
        }
    }
}

/// Host, without the brackets of an IPv6 address, and port.
fn target(authority: &Authority) -> Option<(String, u16)> {
    let port = authority.port_u16().filter(|port| *port > 0)?;
    let host = authority.host();
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let is_plain = !host.is_empty() && !authority.as_str().contains('@');
    (is_plain && host.len() <= MAX_HOST).then(|| (host.into(), port))
}

/// RFC 1035, 2.3.4; and a dot at its end.
const MAX_HOST: usize = 254;

fn refusal(status: StatusCode, why: String) -> Response {
    let mut response = Response::new(Body::from(why));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_host_and_a_port() {
        let target = |text: &str| target(&text.parse().unwrap());
        assert_eq!(target("a.org:443"), Some(("a.org".into(), 443)));
        assert_eq!(target("[::1]:65535"), Some(("::1".into(), 65535)));
        for bad in ["a.org", "a.org:0", "a.org:65536", "u@a.org:1", "[]:1", ":1"] {
            let parsed = bad.parse::<Authority>().ok();
            assert_eq!(parsed.as_ref().and_then(super::target), None, "{bad}");
        }
        assert_eq!(target(&format!("{}:1", "a".repeat(300))), None);
    }
}
