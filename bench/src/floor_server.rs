//! The least a server can do: a bare hyper that gives one fixed answer, in a process of its own.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// About as long as that of `GET /status/{id}`.
const BODY: &str = r#"{"job_id":"01234567-89ab-7def-8123-456789abcdef","status":"complete","reason":"ok","output":"/var/tmp/.tmpabcdef/data/jobs/01234567-89ab-7def-8123-456789abcdef/output.zip","download_link":"/download/01234567-89ab-7def-8123-456789abcdef","logs_link":"/logs/01234567-89ab-7def-8123-456789abcdef"}
"#;

/// Prints its address, then serves until it is killed.
pub(crate) async fn serve() -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    crate::say(&listener.local_addr()?.to_string());
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let connection =
            http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
        tokio::spawn(connection);
    }
}

async fn answer<B>(_: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::new(Bytes::from_static(BODY.as_bytes())));
    let json = hyper::header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    Ok(response)
}
