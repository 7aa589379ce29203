//! What every request must pass, and what every answer carries.
//!
//! The server listens on loopback and asks for no key, so a browser on the same machine is the way
//! in for strangers: a page whose name was rebound to 127.0.0.1 (`Host` tells), or a page that
//! posts across origins (`Origin` tells). We send no CORS headers and know no cookies.

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::extract::Request;
use axum::http::header::{HOST, ORIGIN, X_CONTENT_TYPE_OPTIONS};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::code::Code;
use crate::problem::Problem;

/// Lets through what comes from this machine and from no other origin's page.
pub(crate) async fn guard(request: Request, next: Next) -> Response {
    let mut response = match check(&request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    // Whatever a job wrote, no browser shall take it for something to run.
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn check(request: &Request) -> Result<(), Problem> {
    let host = host(request.headers())?;
    // An absolute request target names a host too.
    for name in request.uri().authority().into_iter().chain([&host]) {
        if !is_loopback(name) {
            return Err(Problem::new(
                Code::HostRefused,
                format!("this server answers to localhost and 127.0.0.1 only, not to {name}"),
            ));
        }
    }
    let reads_only = request.method().is_safe();
    if reads_only || same_origin(request.headers(), &host) {
        return Ok(());
    }
    let detail = format!("a page of another origin may not do this; open http://{host}/ instead");
    Err(Problem::new(Code::OriginRefused, detail))
}

fn host(headers: &HeaderMap) -> Result<Authority, Problem> {
    let mut given = headers.get_all(HOST).iter();
    let (Some(host), None) = (given.next(), given.next()) else {
        return Err(Problem::new(Code::HostRefused, "exactly one Host header is needed"));
    };
    Authority::try_from(host.as_bytes())
        .map_err(|e| Problem::new(Code::HostRefused, format!("the Host header is no host: {e}")))
}

fn is_loopback(authority: &Authority) -> bool {
    if authority.as_str().contains('@') {
        return false;
    }
    let host = authority.host().to_ascii_lowercase();
    if let Some(v6) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return v6.parse() == Ok(Ipv6Addr::LOCALHOST);
    }
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse().is_ok_and(|v4: Ipv4Addr| v4.is_loopback())
}

/// Whether the request comes from our own page, or from no page at all.
fn same_origin(headers: &HeaderMap, host: &Authority) -> bool {
    let own = format!("http://{host}");
    headers
        .get_all(ORIGIN)
        .iter()
        .all(|origin| origin.as_bytes().eq_ignore_ascii_case(own.as_bytes()))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Method;

    use super::*;

    fn request(method: Method, host: &str, origin: Option<&str>) -> Request {
        let mut request = Request::builder().method(method).uri("/jobs").header(HOST, host);
        if let Some(origin) = origin {
            request = request.header(ORIGIN, origin);
        }
        request.body(Body::empty()).unwrap()
    }

    fn code(request: &Request) -> Option<Code> {
        check(request).err().map(|problem| problem.code)
    }

    #[test]
    fn answers_to_the_names_of_this_machine() {
        for host in [
            "localhost",
            "LocalHost:8000",
            "job.localhost:8000",
            "127.0.0.1:8000",
            "127.8.9.10",
            "[::1]",
            "[::1]:8000",
        ] {
            assert_eq!(code(&request(Method::GET, host, None)), None, "{host}");
        }
    }

    #[test]
    fn answers_to_no_other_name() {
        for host in [
            "",
            "example.com",
            "example.com:8000",
            "localhost.example.com",
            "notlocalhost",
            "127.0.0.1.example.com",
            "localhost@example.com",
            "example.com@localhost",
            "0.0.0.0:8000",
            "127.1",
            "10.0.0.1",
            "[::2]",
            "[::ffff:10.0.0.1]:8000",
        ] {
            let got = code(&request(Method::GET, host, None));
            assert_eq!(got, Some(Code::HostRefused), "{host}");
        }
    }

    #[test]
    fn wants_exactly_one_host() {
        let none = Request::builder().uri("/jobs").body(Body::empty()).unwrap();
        assert_eq!(code(&none), Some(Code::HostRefused));
        let mut two = request(Method::GET, "localhost", None);
        two.headers_mut().append(HOST, HeaderValue::from_static("localhost"));
        assert_eq!(code(&two), Some(Code::HostRefused));
    }

    #[test]
    fn an_absolute_target_must_be_this_machine_too() {
        let mut request = request(Method::GET, "localhost", None);
        *request.uri_mut() = "http://example.com/jobs".parse().unwrap();
        assert_eq!(code(&request), Some(Code::HostRefused));
    }

    #[test]
    fn only_our_own_page_may_post() {
        let post = |origin| code(&request(Method::POST, "localhost:8000", origin));
        assert_eq!(post(None), None);
        assert_eq!(post(Some("http://localhost:8000")), None);
        for other in [
            "null",
            "http://localhost",
            "http://localhost:6080",
            "https://localhost:8000",
            "http://x.localhost:8000",
            "http://evil.example",
        ] {
            assert_eq!(post(Some(other)), Some(Code::OriginRefused), "{other}");
        }
    }

    #[test]
    fn a_page_elsewhere_may_ask_but_never_reads_the_answer() {
        let get = request(Method::GET, "localhost", Some("http://evil.example"));
        assert_eq!(code(&get), None);
    }
}
