//! What every request must pass, and what every answer carries.
//!
//! A browser is the way in for strangers: a page whose name was rebound to our address (`Host`
//! tells), or a page that posts across origins (`Origin` tells). We send no CORS headers. Who the
//! caller is and what they may do: `access`.

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::header::{HOST, ORIGIN, UPGRADE, X_CONTENT_TYPE_OPTIONS};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use tracing::{Instrument as _, Span};
use types::JobId;

use crate::access::Caller;
use crate::code::Code;
use crate::problem::Problem;
use crate::{Api, access};

const RESOURCE_POLICY: &str = "cross-origin-resource-policy";

/// To what the server answers beside `localhost` and loopback addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    /// Names, in lower case, without ports.
    pub names: Vec<String>,
    /// Every address, for a server that listens beyond loopback. What others made of its own (a
    /// router, published ports) it cannot know; and no page can be rebound to an address: those
    /// that a browser asks by address are the server's own.
    pub addresses: bool,
}

/// Lets through what asks for this server, comes from no other origin's page, and may do it.
pub(crate) async fn guard(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let passed = check(&request, &api.config.hosts);
    let mut response = match passed.and_then(|()| access::admit(&api, &mut request)) {
        Ok(()) => {
            let (span, caller) = (span(request.uri()), request.extensions().get().copied());
            while_held(&api, caller, next.run(request).instrument(span).await)
        }
        Err(problem) => problem.into_response(),
    };
    // Whatever a job wrote, no browser shall take it for something to run, or show it elsewhere.
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response.headers_mut().insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    response
}

/// What is sent bit by bit ends with what its caller has shown.
fn while_held(api: &Api, caller: Option<Caller>, response: Response) -> Response {
    if caller.is_none() || response.body().size_hint().exact().is_some() {
        return response;
    }
    let jobs = api.jobs.clone();
    let lapsed = async move { jobs.lapsed(caller).await };
    response.map(|body| Body::from_stream(body.into_data_stream().take_until(lapsed)))
}

/// Whatever is logged of a request about a job says whose it is.
fn span(uri: &Uri) -> Span {
    let job = uri.path().split('/').find_map(|part| part.parse::<JobId>().ok());
    job.map_or_else(Span::none, |job| tracing::error_span!("request", %job))
}

fn check(request: &Request, hosts: &Hosts) -> Result<(), Problem> {
    let host = host(request.headers())?;
    // An absolute request target names a host too.
    for name in request.uri().authority().into_iter().chain([&host]) {
        if !hosts.have(name) {
            let detail =
                format!("this server does not answer to {name}; {}", Code::HostRefused.advice());
            return Err(Problem::new(Code::HostRefused, detail));
        }
    }
    // A WebSocket's answers can be read by whoever opened it.
    let reads_only = request.method().is_safe() && !request.headers().contains_key(UPGRADE);
    if !is_loaded_elsewhere(request.headers())
        && (reads_only || hosts.is_origin_of(&host, request.headers()))
    {
        return Ok(());
    }
    let detail = format!("a page of another origin may not do this; open http://{host}/ instead");
    Err(Problem::new(Code::OriginRefused, detail))
}

/// Whether a page of another origin has it loaded: it could not read a picture of a desktop, but show
/// it, and start the desktop by that. It may lead a person here.
fn is_loaded_elsewhere(headers: &HeaderMap) -> bool {
    let says = |name, what: &str| headers.get_all(name).iter().any(|value| value == what);
    let is_elsewhere = says("sec-fetch-site", "cross-site") || says("sec-fetch-site", "same-site");
    is_elsewhere && !(says("sec-fetch-mode", "navigate") && says("sec-fetch-dest", "document"))
}

/// Whether no page of another origin sends these, as far as they say where they are from.
pub(crate) fn is_from_us(headers: &HeaderMap, hosts: &Hosts) -> bool {
    host(headers).is_ok_and(|host| hosts.is_origin_of(&host, headers))
}

/// As whom the server is asked.
pub(crate) fn host(headers: &HeaderMap) -> Result<Authority, Problem> {
    let mut given = headers.get_all(HOST).iter();
    let (Some(host), None) = (given.next(), given.next()) else {
        return Err(Problem::new(Code::HostRefused, "exactly one Host header is needed"));
    };
    Authority::try_from(host.as_bytes())
        .map_err(|e| Problem::new(Code::HostRefused, format!("the Host header is no host: {e}")))
}

impl Hosts {
    fn have(&self, authority: &Authority) -> bool {
        if authority.as_str().contains('@') {
            return false;
        }
        let host = authority.host().to_ascii_lowercase();
        if let Some(v6) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            return v6.parse().is_ok_and(|v6: Ipv6Addr| self.addresses || v6.is_loopback());
        }
        if let Ok(v4) = host.parse::<Ipv4Addr>() {
            return self.addresses || v4.is_loopback();
        }
        host == "localhost" || host.ends_with(".localhost") || self.names.contains(&host)
    }

    /// Whether the request comes from our own page, or from no page at all. Before a public name
    /// there may be somebody who speaks TLS for us.
    fn is_origin_of(&self, host: &Authority, headers: &HeaderMap) -> bool {
        let public = self.names.iter().any(|name| name.eq_ignore_ascii_case(host.host()));
        let own = |origin: &str| {
            let (scheme, rest) = origin.split_once("://").unwrap_or_default();
            let scheme = scheme == "http" || (public && scheme == "https");
            scheme && rest.eq_ignore_ascii_case(host.as_str())
        };
        headers.get_all(ORIGIN).iter().all(|origin| origin.to_str().is_ok_and(own))
    }
}

#[cfg(test)]
mod tests {
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
        check(request, &Hosts::default()).err().map(|problem| problem.code)
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

    #[test]
    fn a_page_elsewhere_opens_no_socket() {
        let open = |origin| {
            let mut open = request(Method::GET, "localhost:8000", origin);
            open.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
            code(&open)
        };
        assert_eq!(open(None), None);
        assert_eq!(open(Some("http://localhost:8000")), None);
        assert_eq!(open(Some("http://localhost:6080")), Some(Code::OriginRefused));
    }

    #[test]
    fn a_page_elsewhere_may_lead_here_and_load_nothing() {
        let get = |headers: &[(&'static str, &'static str)]| {
            let mut get = request(Method::GET, "localhost", None);
            get.headers_mut().extend(headers.iter().map(|(name, value)| {
                (axum::http::HeaderName::from_static(name), HeaderValue::from_static(value))
            }));
            code(&get)
        };
        let (navigate, document) = (("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"));
        for site in ["none", "same-origin"] {
            assert_eq!(get(&[("sec-fetch-site", site), ("sec-fetch-dest", "image")]), None);
        }
        for site in ["same-site", "cross-site"] {
            let site = ("sec-fetch-site", site);
            assert_eq!(get(&[site, navigate, document]), None);
            let frame = ("sec-fetch-dest", "iframe");
            for headers in [&[site][..], &[site, navigate, frame], &[site, document]] {
                assert_eq!(get(headers), Some(Code::OriginRefused), "{headers:?}");
            }
        }
    }

    #[test]
    fn beyond_loopback_addresses_and_public_names_are_good() {
        let hosts = Hosts { names: vec!["agent.example.org".into()], addresses: true };
        let code = |host: &str, origin: Option<&str>| {
            check(&request(Method::POST, host, origin), &hosts).err().map(|problem| problem.code)
        };
        for host in [
            "localhost:8000",
            "10.0.0.1:8000",
            "0.0.0.0:8000",
            "[2001:db8::1]:8000",
            "agent.example.org",
            "Agent.Example.org:8000",
        ] {
            assert_eq!(code(host, None), None, "{host}");
            let http = format!("http://{host}");
            assert_eq!(code(host, Some(&http)), None, "{host}");
            let https = http.replace("http:", "https:");
            let public = host.to_ascii_lowercase().starts_with("agent");
            let refused = (!public).then_some(Code::OriginRefused);
            assert_eq!(code(host, Some(&https)), refused, "{https}");
        }
        for host in ["example.org", "x.agent.example.org", "127.1", "1.2.3.4.example.org"] {
            assert_eq!(code(host, None), Some(Code::HostRefused), "{host}");
        }
        let other = Some("https://evil.example.org");
        assert_eq!(code("agent.example.org", other), Some(Code::OriginRefused));
    }
}
