//! What of a request's head the job gets to see, and what of its answer's head the browser: pure.
//!
//! `Host` and `Origin` stay as they are, so that what the job checks by them, as Jupyter does, holds.

use axum::extract::Request;
use axum::http::header::{
    ALT_SVC, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY,
    CONTENT_SECURITY_POLICY_REPORT_ONLY, COOKIE, EXPECT, LOCATION, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, SET_COOKIE, STRICT_TRANSPORT_SECURITY, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE,
};
use axum::http::response::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::Visit;
use crate::entry::HOST_ONLY;
use crate::view::View;

/// What is said between two neighbours only.
static HOPS: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// What would outlive the page, reach beyond its origin, have the browser send reports elsewhere, or
/// command a proxy before us.
static NOT_FOR_BROWSERS: [HeaderName; 12] = [
    ALT_SVC,
    CONTENT_SECURITY_POLICY_REPORT_ONLY,
    STRICT_TRANSPORT_SECURITY,
    HeaderName::from_static("clear-site-data"),
    HeaderName::from_static("nel"),
    HeaderName::from_static("public-key-pins"),
    HeaderName::from_static("public-key-pins-report-only"),
    HeaderName::from_static("report-to"),
    HeaderName::from_static("reporting-endpoints"),
    HeaderName::from_static("x-accel-redirect"),
    HeaderName::from_static("x-lighttpd-send-file"),
    HeaderName::from_static("x-sendfile"),
];

const OPENER_POLICY: &str = "cross-origin-opener-policy";
const RESOURCE_POLICY: &str = "cross-origin-resource-policy";

/// How the names of our cookies begin.
const OUR_COOKIES: &[u8] = b"cagent-";

/// How a key to our API begins.
const OUR_KEYS: &[u8] = b"cagent_";

/// What the page of a job that may reach nothing may load, and where it may send something.
const NOT_OUT: &str =
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; form-action 'self'";

/// Whether a page opens a WebSocket. No other protocol is switched to.
pub(super) fn wants_socket(request: &Request) -> bool {
    let headers = request.headers();
    let to = headers.get(UPGRADE);
    request.method() == Method::GET
        && to.is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"))
        && named(headers).any(|name| name == UPGRADE)
}

/// On its way to the job.
pub(super) fn there(headers: &mut HeaderMap, wants_socket: bool) {
    drop_hops(headers);
    // Was met already: whoever waits for it gets it as soon as the job takes the body.
    headers.remove(EXPECT);
    if headers.get_all(AUTHORIZATION).iter().any(has_our_key) {
        headers.remove(AUTHORIZATION);
    }
    replace(headers, COOKIE, without_our_cookies);
    if wants_socket {
        switch(headers);
    }
}

/// Agrees to a WebSocket, or asks for one.
pub(super) fn switch(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

/// On its way to the browser.
pub(super) fn back(parts: &mut Parts, visit: Visit<'_>, is_head: bool) {
    let headers = &mut parts.headers;
    let has_body = !is_head && parts.status != StatusCode::NOT_MODIFIED;
    // It may contradict what the body turns out to be; of that, its length is known.
    if has_body || headers.contains_key(TRANSFER_ENCODING) {
        headers.remove(CONTENT_LENGTH);
    }
    drop_hops(headers);
    NOT_FOR_BROWSERS.iter().for_each(|name| drop(headers.remove(name)));
    replace(headers, SET_COOKIE, |cookie| own_cookie(cookie, visit.base));
    replace(headers, LOCATION, |location| Some(own_location(location, visit)));
    replace(headers, CONTENT_SECURITY_POLICY, without_reports);
    fence(headers);
}

/// Nobody frames it, loads it or holds on to it but itself, and it keeps no hold on who opened it.
fn fence(headers: &mut HeaderMap) {
    headers.append(CONTENT_SECURITY_POLICY, HeaderValue::from_static("frame-ancestors 'self'"));
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    let opener = headers.get(OPENER_POLICY).map_or(&b""[..], HeaderValue::as_bytes);
    if !opener.starts_with(b"same-origin") {
        headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin-allow-popups"));
    }
}

/// On its way to the browser from a job that may reach nothing: its page could send out from there
/// what the job itself cannot.
pub(super) fn confine(headers: &mut HeaderMap) {
    headers.append(CONTENT_SECURITY_POLICY, HeaderValue::from_static(NOT_OUT));
    headers.insert("x-dns-prefetch-control", HeaderValue::from_static("off"));
}

fn drop_hops(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = named(headers).collect();
    named.iter().chain(&HOPS).for_each(|name| drop(headers.remove(name)));
}

/// What `Connection` names.
fn named(headers: &HeaderMap) -> impl Iterator<Item = HeaderName> {
    let lines = headers.get_all(CONNECTION).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).filter_map(|name| name.trim().parse().ok())
}

/// Changes each value of a header, or drops it.
fn replace(
    headers: &mut HeaderMap,
    name: HeaderName,
    change: impl Fn(&HeaderValue) -> Option<HeaderValue>,
) {
    let values: Vec<_> = headers.get_all(&name).iter().filter_map(change).collect();
    headers.remove(&name);
    for value in values {
        headers.append(name.clone(), value);
    }
}

fn without_our_cookies(line: &HeaderValue) -> Option<HeaderValue> {
    let pairs = line.as_bytes().split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let others: Vec<_> = pairs.filter(|pair| !is_ours(pair) && !pair.is_empty()).collect();
    let others = others.join(&b"; "[..]);
    HeaderValue::from_bytes(&others).ok().filter(|_| !others.is_empty())
}

/// Without a name, what follows the `=` would be sent back as one.
fn is_ours(pair: &[u8]) -> bool {
    let pair = pair.trim_ascii();
    let pair = pair.strip_prefix(b"=").unwrap_or(pair);
    let host_only = starts_with(pair, HOST_ONLY.as_bytes());
    starts_with(if host_only { &pair[HOST_ONLY.len()..] } else { pair }, OUR_COOKIES)
}

/// A policy that tells nobody elsewhere what it kept a page from, nor the address of that.
fn without_reports(policies: &HeaderValue) -> Option<HeaderValue> {
    let is_other = |directive: &&[u8]| !starts_with(directive.trim_ascii_start(), b"report-");
    let policies = policies.as_bytes().split(|byte| *byte == b',').map(|policy| {
        policy.split(|byte| *byte == b';').filter(is_other).collect::<Vec<_>>().join(&b";"[..])
    });
    HeaderValue::from_bytes(&policies.collect::<Vec<_>>().join(&b","[..])).ok()
}

/// Wherever in it: those who read it are of many minds about spaces.
fn has_our_key(value: &HeaderValue) -> bool {
    value.as_bytes().windows(OUR_KEYS.len()).any(|part| part.eq_ignore_ascii_case(OUR_KEYS))
}

/// A cookie for this origin alone, that is none of ours; below its path, if that is all it has.
fn own_cookie(cookie: &HeaderValue, base: &str) -> Option<HeaderValue> {
    let mut parts = cookie.as_bytes().split(|byte| *byte == b';');
    let pair = parts.next().filter(|pair| !is_ours(pair))?;
    let (mut whole, mut is_wide) = (pair.to_vec(), false);
    for attribute in parts {
        let name = attribute.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
        is_wide |= name.eq_ignore_ascii_case(b"domain");
        if base.is_empty() || !name.eq_ignore_ascii_case(b"path") {
            whole.extend_from_slice(b";");
            whole.extend_from_slice(attribute);
        }
    }
    if !base.is_empty() {
        whole.extend_from_slice(format!("; Path={base}/").as_bytes());
    }
    HeaderValue::from_bytes(&whole).ok().filter(|_| !is_wide)
}

/// A program that takes itself to be at `localhost:PORT` leads there; people find it here.
fn own_location(location: &HeaderValue, visit: Visit<'_>) -> HeaderValue {
    let Ok(text) = location.to_str() else { return location.clone() };
    let at_home = match visit.view {
        View::Preview { port } => at_home(text, port),
        View::Jupyter | View::Watch | View::Control => None,
    };
    let path = at_home.unwrap_or(text);
    // Two slashes begin the name of a host.
    if !path.starts_with('/') || path.starts_with("//") {
        return location.clone();
    }
    HeaderValue::try_from(format!("{}{path}", visit.base)).unwrap_or_else(|_| location.clone())
}

/// The path of an address on the job's own loopback.
fn at_home(location: &str, port: u16) -> Option<&str> {
    ["localhost", "127.0.0.1", "[::1]"].iter().find_map(|host| {
        let path = location.strip_prefix(&format!("http://{host}:{port}"))?;
        if path.is_empty() { Some("/") } else { path.starts_with('/').then_some(path) }
    })
}

fn starts_with(bytes: &[u8], start: &[u8]) -> bool {
    bytes.get(..start.len()).is_some_and(|given| given.eq_ignore_ascii_case(start))
}

#[cfg(test)]
#[path = "head_tests.rs"]
mod tests;
