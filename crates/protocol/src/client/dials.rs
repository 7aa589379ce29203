//! Connections into the sandbox, brought to the gateway.

use hyper::header::{CONNECTION, HeaderValue, UPGRADE};
use hyper::upgrade::Upgraded;
use hyper::{Method, StatusCode};
use hyper_util::rt::TokioIo;

use super::{Client, ClientError, accepted, connect, send};
use crate::{PROTOCOL, path};

impl Client {
    /// Brings the connection number `n` that the orchestrator asked for; its bytes, both ways.
    ///
    /// # Errors
    /// [`ClientError`]; refused if nobody waits for it any more.
    pub async fn arrive(&self, n: u64) -> Result<TokioIo<Upgraded>, ClientError> {
        let mut connection = connect(&self.socket).await?;
        let mut request = self.request(Method::POST, &dial(n), Vec::new())?;
        request.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
        request.headers_mut().insert(UPGRADE, HeaderValue::from_static(PROTOCOL));
        let answer = send(&mut connection, request).await?;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            accepted(path::DIALS, answer).await?;
            return Err(ClientError::Transport("the gateway did not switch protocols".into()));
        }
        let upgraded = hyper::upgrade::on(answer).await;
        Ok(TokioIo::new(upgraded.map_err(|e| ClientError::Transport(e.into()))?))
    }

    /// Says why there is no connection number `n`.
    ///
    /// # Errors
    /// [`ClientError`]; refused if nobody waits for it any more.
    pub async fn refuse(&self, n: u64, why: &str) -> Result<(), ClientError> {
        let mut connection = connect(&self.socket).await?;
        let request = self.request(Method::POST, &dial(n), why.into())?;
        accepted(path::DIALS, send(&mut connection, request).await?).await.map(drop)
    }
}

fn dial(n: u64) -> String {
    format!("{}/{n}", path::DIALS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixListener;
    use tokio::task::JoinHandle;

    /// What is behind it speaks first, and is heard with the answer.
    const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\
                          Upgrade: cagent\r\n\r\nRFB";

    struct Gateway {
        client: Client,
        /// All that one caller said, until it was done.
        heard: JoinHandle<String>,
        _dir: TempDir,
    }

    /// One that says this, whatever it is asked.
    fn gateway(answer: &'static str) -> Gateway {
        let dir = TempDir::new().unwrap();
        let socket = dir.path().join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        let heard = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![];
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut heard = String::from_utf8(head).unwrap();
            stream.read_to_string(&mut heard).await.unwrap();
            heard
        });
        Gateway { client: Client::new(socket), heard, _dir: dir }
    }

    #[tokio::test]
    async fn a_connection_is_brought_and_may_be_spoken_on_at_once() {
        let gateway = gateway(SWITCH);
        let mut stream = gateway.client.arrive(7).await.unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).await.unwrap();
        assert_eq!(said, "RFB");
        stream.write_all(b"yes").await.unwrap();
        drop(stream);
        let heard = gateway.heard.await.unwrap();
        assert!(heard.starts_with("POST /v1/dials/7 HTTP/1.1\r\n"), "{heard}");
        assert!(heard.contains("connection: upgrade\r\nupgrade: cagent\r\n"), "{heard}");
        assert!(heard.ends_with("\r\n\r\nyes"), "{heard}");
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_not_brought_again() {
        let gone = "HTTP/1.1 410 Gone\r\nContent-Length: 4\r\n\r\nlate";
        let refused = gateway(gone).client.arrive(7).await.unwrap_err();
        assert!(!refused.is_passing() && refused.to_string().ends_with("late"), "{refused}");
        let refused = gateway(gone).client.refuse(7, "why").await.unwrap_err();
        assert!(!refused.is_passing(), "{refused}");
    }

    #[tokio::test]
    async fn what_went_wrong_on_the_way_is_tried_again() {
        let busy = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
        for answer in ["", "HTTP/1.1 101 Swi", busy, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]
        {
            let broken = gateway(answer).client.arrive(7).await.unwrap_err();
            assert!(broken.is_passing(), "{answer:?}: {broken}");
        }
        let nobody = Client::new("/nowhere/socket").refuse(7, "why").await.unwrap_err();
        assert!(nobody.is_passing(), "{nobody}");
    }
}
