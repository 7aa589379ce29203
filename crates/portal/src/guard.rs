//! What every request must pass, and what every answer of ours carries.
//!
//! What a job shows is hostile, and so is every page of another origin. Such a page may lead a person
//! here, as a link does; it may load nothing, send nothing, open no WebSocket, frame nothing. That
//! holds although nothing here is had without a cookie, which other sites cannot make a browser send:
//! two ports of one host are one site.

use axum::extract::Request;
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response};

use crate::origin::Place;

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It names a host that is not ours.
    Host,
    /// It comes from a page of another origin.
    Origin,
}

/// Which origin a request is for, if it may come.
pub(crate) fn place(request: &Request, domain: &str) -> Result<Place, Refusal> {
    let host = host(request.headers()).ok_or(Refusal::Host)?;
    let named = request.uri().authority().is_none_or(|named| *named == host);
    let place = Place::of(&host, domain).filter(|_| named).ok_or(Refusal::Host)?;
    let welcome = is_same_origin(request.headers(), &host) && may_load(request);
    welcome.then_some(place).ok_or(Refusal::Origin)
}

/// The one host that is named.
fn host(headers: &HeaderMap) -> Option<Authority> {
    let mut given = headers.get_all(HOST).iter();
    let (Some(host), None) = (given.next(), given.next()) else { return None };
    Authority::try_from(host.as_bytes()).ok()
}

/// Browsers say where a page is from that sends something or opens a WebSocket. A proxy before us
/// may speak TLS.
fn is_same_origin(headers: &HeaderMap, host: &Authority) -> bool {
    let own = ["http", "https"].map(|scheme| format!("{scheme}://{host}"));
    let mut origins = headers.get_all(ORIGIN).iter();
    origins
        .all(|origin| own.iter().any(|own| origin.as_bytes().eq_ignore_ascii_case(own.as_bytes())))
}

/// Whether it is no page of another origin that loads something, as far as the browser says so.
fn may_load(request: &Request) -> bool {
    is_own(request.headers()) || leads_here(request)
}

/// A person who follows a link from elsewhere.
fn leads_here(request: &Request) -> bool {
    let says = |name: &'static str, what: &str| {
        request.headers().get(name).is_some_and(|value| value == what)
    };
    request.method().is_safe()
        && says("sec-fetch-mode", "navigate")
        && says("sec-fetch-dest", "document")
}

/// Whether a person typed the address or came from a page of the same origin, or no browser says
/// anything.
pub(crate) fn is_own(headers: &HeaderMap) -> bool {
    headers.get_all("sec-fetch-site").iter().all(|site| site == "none" || site == "same-origin")
}

/// What every answer of ours carries. `policy` is what its page may load.
pub(crate) fn seal<B>(mut response: Response<B>, policy: &'static str) -> Response<B> {
    let headers = [
        ("content-security-policy", policy),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
    ];
    for (name, value) in headers {
        let name = HeaderName::from_static(name);
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;
    use crate::origin::Part;

    const JOB: &str = "018f3f6e-7c1a-7b2e-9d3c-5a4b3c2d1e0f";

    fn ask(method: &str, host: &str, headers: &[(&str, &str)]) -> Result<Place, Refusal> {
        let mut request = Request::builder().method(method).uri("/rfb/control").header(HOST, host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        place(&request.body(Body::empty()).unwrap(), "localhost")
    }

    #[test]
    fn our_own_pages_and_programs_may_come() {
        let host = format!("{JOB}.localhost:6080");
        let own = format!("http://{host}");
        let job = Ok(Place::Job(JOB.parse().unwrap(), Part::Desktop));
        assert_eq!(ask("GET", &host, &[]), job);
        assert_eq!(ask("POST", &host, &[("origin", &own)]), job);
        assert_eq!(ask("GET", &host, &[("sec-fetch-site", "none")]), job);
        let fetch = [("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors")];
        assert_eq!(ask("GET", &host, &fetch), job);
    }

    #[test]
    fn other_origins_may_only_lead_people_here() {
        let host = format!("{JOB}.localhost:6080");
        let site = |site| ("sec-fetch-site", site);
        let (navigate, document) = (("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"));
        for from in ["cross-site", "same-site"] {
            assert!(ask("GET", &host, &[site(from), navigate, document]).is_ok());
            for (method, headers) in [
                ("GET", &[site(from)][..]),
                ("POST", &[site(from), navigate, document]),
                ("GET", &[site(from), navigate, ("sec-fetch-dest", "iframe")]),
                ("GET", &[site(from), ("sec-fetch-mode", "no-cors"), document]),
                ("GET", &[site(from), ("sec-fetch-mode", "websocket")]),
            ] {
                assert_eq!(ask(method, &host, headers), Err(Refusal::Origin), "{headers:?}");
            }
        }
    }

    #[test]
    fn another_origin_is_another_port_too() {
        let host = format!("{JOB}.localhost:6080");
        for origin in
            ["null", "http://localhost:6080", &format!("http://{JOB}.localhost:8888"), "http://x"]
        {
            assert_eq!(ask("GET", &host, &[("origin", origin)]), Err(Refusal::Origin), "{origin}");
        }
    }

    #[test]
    fn other_hosts_are_refused() {
        assert_eq!(ask("GET", "evil.example", &[]), Err(Refusal::Host));
        assert_eq!(ask("GET", "localhost", &[("host", "localhost")]), Err(Refusal::Host));
        let request = Request::builder().uri("http://evil.example/").header(HOST, "localhost");
        let request = request.body(Body::empty()).unwrap();
        assert_eq!(place(&request, "localhost"), Err(Refusal::Host));
    }
}
