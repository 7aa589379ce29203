//! The HTTP proxy: `CONNECT host:port`, and `GET http://host/path` without encryption.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::ext::ReasonPhrase;
use hyper::header::{
    CONNECTION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHORIZATION, TE,
    TRANSFER_ENCODING, UPGRADE,
};
use hyper::http::uri::{Authority, PathAndQuery, Scheme};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Uri, Version};
use hyper_util::rt::{TokioIo, TokioTimer};
use protocol::{TunnelError, relay};
use tokio::net::TcpStream;

use super::{Client, PATIENCE};

type Body = Either<Full<Bytes>, Incoming>;

/// Says what this is to those who do not know.
const WHAT_THIS_IS: &str =
    "this is a proxy: it takes CONNECT host:port, and http:// addresses in full";

/// For those who find no room, whatever they ask.
pub(super) const FULL: &[u8] = b"HTTP/1.1 503 this sandbox has too many connections\r\n\
    Content-Type: text/plain\r\nContent-Length: 56\r\nConnection: close\r\n\r\n\
    this sandbox has too many connections; close some first\n";

/// What belongs to one connection and is not passed on (RFC 9110, 7.6.1).
const OF_ONE_HOP: [HeaderName; 7] = [
    CONNECTION,
    PROXY_AUTHORIZATION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Serves one client.
pub(super) async fn talk(stream: TcpStream, client: Client) {
    let service = service_fn(|request| answer(client.clone(), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    // How it ended is the client's business.
    drop(connection.await);
}

async fn answer(client: Client, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let answered = match *request.method() {
        Method::CONNECT => connect(client, request).await,
        _ => forward(client, request).await,
    };
    Ok(answered.unwrap_or_else(Refusal::into_response))
}

async fn connect(
    client: Client,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let to = request.uri().authority().cloned().ok_or_else(Refusal::no_proxy_request)?;
    let tunnel = client.tunnels.open(&to).await?;
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        if let Ok(upgraded) = upgrade.await {
            relay(TokioIo::new(upgraded), tunnel).await;
        }
        drop(client);
    });
    Ok(Response::new(Either::Left(Full::default())))
}

/// Asks the host what the client asks, on a connection for this one question.
async fn forward(
    client: Client,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let (to, path) = target(request.uri())?;
    let tunnel = client.tunnels.open(&with_port(&to)?).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(tunnel)).await?;
    tokio::spawn(async move {
        drop(connection.await);
        drop(client);
    });
    let host = HeaderValue::from_str(to.as_str()).map_err(|_| Refusal::no_proxy_request())?;
    *request.uri_mut() = path.into();
    *request.version_mut() = Version::HTTP_11;
    remove_hop(request.headers_mut());
    request.headers_mut().insert(HOST, host);
    let mut response = sender.send_request(request).await?;
    remove_hop(response.headers_mut());
    Ok(response.map(Either::Right))
}

fn target(uri: &Uri) -> Result<(Authority, PathAndQuery), Refusal> {
    let authority = uri.authority().filter(|_| uri.scheme() == Some(&Scheme::HTTP));
    let to = authority.cloned().ok_or_else(Refusal::no_proxy_request)?;
    let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    Ok((to, path))
}

fn with_port(to: &Authority) -> Result<Authority, Refusal> {
    if to.port().is_some() {
        return Ok(to.clone());
    }
    // There may be a colon with nothing after it (RFC 9110, 4.2.3).
    let host = to.as_str().trim_end_matches(':');
    format!("{host}:80").parse().map_err(|_| Refusal::no_proxy_request())
}

fn remove_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|names| names.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&OF_ONE_HOP) {
        headers.remove(name);
    }
}

/// Why there is no connection, as an answer.
struct Refusal {
    status: StatusCode,
    why: String,
}

impl Refusal {
    fn no_proxy_request() -> Self {
        Self { status: StatusCode::BAD_REQUEST, why: WHAT_THIS_IS.into() }
    }

    /// The reason goes into the first line too: of an answer to CONNECT, that is all that most
    /// programs show.
    fn into_response(self) -> Response<Body> {
        let reason = ReasonPhrase::try_from(self.why.clone());
        let mut response = Response::new(Either::Left(Full::from(self.why + "\n")));
        *response.status_mut() = self.status;
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, text);
        // Who stays after that keeps a place that somebody else could use.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        if let Ok(reason) = reason {
            response.extensions_mut().insert(reason);
        }
        response
    }
}

impl From<TunnelError> for Refusal {
    fn from(error: TunnelError) -> Self {
        let status = match error {
            TunnelError::Refused { status, .. } => status,
            TunnelError::Broken(_) => StatusCode::BAD_GATEWAY,
        };
        Self { status, why: error.to_string() }
    }
}

impl From<hyper::Error> for Refusal {
    fn from(error: hyper::Error) -> Self {
        let why = format!("the host's answer is no HTTP, or it hung up: {error}");
        Self { status: StatusCode::BAD_GATEWAY, why }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_an_address_in_full() {
        let target = |uri: &str| target(&uri.parse().unwrap()).ok();
        let (to, path) = target("http://a.org:81/b?c").unwrap();
        assert_eq!((to.as_str(), path.as_str()), ("a.org:81", "/b?c"));
        let (to, path) = target("http://[::1]").unwrap();
        assert_eq!((to.as_str(), path.as_str()), ("[::1]", "/"));
        assert_eq!(with_port(&to).map(|to| to.to_string()).ok().unwrap(), "[::1]:80");
        for (uri, expected) in [("http://a.org:/", "a.org:80"), ("http://[::1]:", "[::1]:80")] {
            let with_port = with_port(&target(uri).unwrap().0);
            assert_eq!(with_port.ok().unwrap(), expected, "{uri}");
        }
        for bad in ["/b", "https://a.org/", "a.org:80", "*"] {
            assert!(target(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn what_belongs_to_one_hop_is_not_passed_on() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "X-One, close"),
            ("x-one", "1"),
            ("proxy-authorization", "secret"),
            ("keep-alive", "5"),
            ("accept", "*/*"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        remove_hop(&mut headers);
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["accept"]);
    }
}
