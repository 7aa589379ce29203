use axum::body::Body;
use axum::http::{Request, Response};
use types::JobId;

use super::*;

const SOCKET: [(&str, &str); 2] = [("connection", "keep-alive, Upgrade"), ("upgrade", "WebSocket")];

fn map(headers: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    map
}

fn all(headers: &HeaderMap) -> Vec<(&str, &str)> {
    headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect()
}

fn sent(headers: &[(&str, &str)]) -> HeaderMap {
    let mut headers = map(headers);
    there(&mut headers, false);
    headers
}

fn answered(base: &str, headers: &[(&str, &str)]) -> HeaderMap {
    let (mut parts, ()) = Response::new(()).into_parts();
    parts.headers = map(headers);
    let visit = Visit { job: JobId::generate(), view: View::Preview { port: 3000 }, base };
    back(&mut parts, visit, false);
    parts.headers
}

fn cookie(base: &str, cookie: &str) -> Option<String> {
    let headers = answered(base, &[("set-cookie", cookie)]);
    headers.get(SET_COOKIE).map(|cookie| cookie.to_str().unwrap().to_owned())
}

fn location(base: &str, to: &str) -> String {
    answered(base, &[("location", to)])[LOCATION].to_str().unwrap().to_owned()
}

#[test]
fn what_neighbours_say_goes_no_further() {
    let headers = sent(&[
        ("host", "x"),
        ("connection", "close, X-Mine"),
        ("x-mine", "1"),
        ("keep-alive", "timeout=5"),
        ("transfer-encoding", "chunked"),
        ("te", "trailers"),
        ("trailer", "x"),
        ("upgrade", "h2c"),
        ("proxy-connection", "close"),
        ("proxy-authorization", "Basic eA=="),
        ("expect", "100-continue"),
        ("origin", "http://x"),
    ]);
    assert_eq!(all(&headers), [("host", "x"), ("origin", "http://x")]);
    let headers = answered("", &[("connection", "x-theirs"), ("x-theirs", "1"), ("upgrade", "x")]);
    assert!(!headers.contains_key("x-theirs") && !headers.contains_key("upgrade"));
}

#[test]
fn only_websockets_are_switched_to() {
    let wants = |method: &str, headers: &[(&str, &str)]| {
        let mut request = Request::new(Body::empty());
        *request.method_mut() = method.parse().unwrap();
        *request.headers_mut() = map(headers);
        wants_socket(&request)
    };
    assert!(wants("GET", &SOCKET));
    assert!(!wants("POST", &SOCKET));
    assert!(!wants("GET", &SOCKET[..1]) && !wants("GET", &SOCKET[1..]));
    assert!(!wants("GET", &[SOCKET[0], ("upgrade", "h2c")]));
    let mut headers = map(&SOCKET);
    there(&mut headers, true);
    assert_eq!(all(&headers), [("connection", "upgrade"), ("upgrade", "websocket")]);
}

#[test]
fn our_secrets_stay_with_us() {
    let cookies = |line: &str| {
        let headers = sent(&[("cookie", line)]);
        headers.get(COOKIE).map(|line| line.to_str().unwrap().to_owned())
    };
    assert_eq!(cookies("cagent-control=s; a=b; cagent-x=1;c=d").unwrap(), "a=b; c=d");
    assert_eq!(cookies("a=cagent-control=s").unwrap(), "a=cagent-control=s");
    for ours in [
        "__Host-cagent-jupyter=s",
        "__host-CAGENT-x=s",
        "cagent-jupyter=s",
        " CAGENT-watch=s ;",
        "=cagent-watch=s",
        "cagent-watch",
    ] {
        assert_eq!(cookies(ours), None, "{ours}");
    }
    for key in
        ["Bearer cagent_0_1", "bearer CAGENT_0_1", "BEARER  cagent_0_1", "bearer\tcagent_0_1"]
    {
        assert_eq!(all(&sent(&[("authorization", key)])), [], "{key}");
    }
    let own = [("authorization", "Bearer eyJ")];
    assert_eq!(all(&sent(&own)), own, "what the job asked for is the job's");
}

#[test]
fn a_job_sets_cookies_for_itself_alone() {
    for own in ["a=b", "a=b; Path=/x; HttpOnly", "a=b; SameSite=Lax; Max-Age=9", "a=domain=x"] {
        assert_eq!(cookie("", own).as_deref(), Some(own));
    }
    for wide in
        ["a=b; Domain=localhost", "a=b;domain=.localhost;Path=/", "a=b; DOMAIN", "a; Domain ="]
    {
        assert_eq!(cookie("", wide), None, "{wide}");
    }
    for ours in [
        "__Host-cagent-watch=x",
        "cagent-control=x",
        " Cagent-Watch=x; Path=/",
        "=cagent-preview=x",
        "cagent-x",
    ] {
        assert_eq!(cookie("", ours), None, "{ours}");
    }
}

#[test]
fn by_path_a_cookie_stays_below_it() {
    assert_eq!(cookie("/p", "a=b").unwrap(), "a=b; Path=/p/");
    assert_eq!(cookie("/p", "a=b; path=/; Secure").unwrap(), "a=b; Secure; Path=/p/");
    assert_eq!(cookie("/p", "cagent-preview=b"), None);
}

#[test]
fn what_a_job_takes_for_its_address_leads_to_the_preview() {
    for (given, there, below) in [
        ("http://localhost:3000/x?y#z", "/x?y#z", "/p/x?y#z"),
        ("http://127.0.0.1:3000", "/", "/p/"),
        ("http://[::1]:3000/", "/", "/p/"),
        ("/x", "/x", "/p/x"),
        ("x", "x", "x"),
        ("", "", ""),
    ] {
        assert_eq!((&*location("", given), &*location("/p", given)), (there, below), "{given}");
    }
    for other in [
        "http://localhost:3001/x",
        "http://localhost:30000/x",
        "http://localhost:3000@evil.test/",
        "http://localhost:3000.evil.test/",
        "https://localhost:3000/x",
        "http://localhost:3000//evil.test/",
        "//evil.test/",
        "http://example.com/",
    ] {
        assert_eq!((&*location("", other), &*location("/p", other)), (other, other));
    }
}

#[test]
fn what_reaches_beyond_a_page_is_dropped() {
    let headers = [
        ("strict-transport-security", "max-age=1; includeSubDomains"),
        ("alt-svc", "h3=\":1\""),
        ("clear-site-data", "\"*\""),
        ("content-security-policy-report-only", "default-src 'none'; report-uri https://evil.test"),
        ("nel", "{\"report_to\": \"x\"}"),
        ("report-to", "{\"endpoints\": [{\"url\": \"https://evil.test\"}]}"),
        ("reporting-endpoints", "x=\"https://evil.test\""),
        ("public-key-pins", "x"),
        ("x-accel-redirect", "/etc/passwd"),
        ("x-sendfile", "/etc/passwd"),
        ("server", "mine"),
    ];
    let headers = answered("", &headers);
    let names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
    let ours = ["content-security-policy", RESOURCE_POLICY, OPENER_POLICY];
    assert_eq!(names, [&["server"], &ours[..]].concat());
}

#[test]
fn a_page_is_fenced_whatever_it_says_itself() {
    let said = [
        ("content-security-policy", "frame-ancestors *"),
        ("cross-origin-opener-policy", "unsafe-none"),
        ("cross-origin-resource-policy", "cross-origin"),
    ];
    let headers = answered("", &said);
    let policies: Vec<_> = headers.get_all(CONTENT_SECURITY_POLICY).iter().collect();
    assert_eq!(policies, ["frame-ancestors *", "frame-ancestors 'self'"], "both hold");
    assert_eq!(headers[OPENER_POLICY], "same-origin-allow-popups");
    assert_eq!(headers[RESOURCE_POLICY], "same-origin");
    let strict = answered("", &[("cross-origin-opener-policy", "same-origin")]);
    assert_eq!(strict[OPENER_POLICY], "same-origin", "it may be stricter");
}

#[test]
fn no_report_is_sent_about_a_page() {
    for (said, kept) in [
        ("default-src 'self'; report-uri https://evil.test/?x", "default-src 'self'"),
        ("img-src *;REPORT-URI //evil.test; script-src *", "img-src *; script-src *"),
        ("report-to x, default-src 'none' ; Report-Uri /x", ", default-src 'none' "),
        ("report-uri x,report-to y;report-uri z", ","),
        (
            "default-src 'self' https://report-uri.test",
            "default-src 'self' https://report-uri.test",
        ),
    ] {
        let headers = answered("", &[("content-security-policy", said)]);
        assert_eq!(headers[CONTENT_SECURITY_POLICY], kept, "{said}");
    }
}

#[test]
fn a_length_is_what_the_body_has() {
    let length = |status: StatusCode, is_head, headers: &[(&str, &str)]| {
        let (mut parts, ()) = Response::new(()).into_parts();
        (parts.status, parts.headers) = (status, map(headers));
        let visit = Visit { job: JobId::generate(), view: View::Jupyter, base: "" };
        back(&mut parts, visit, is_head);
        parts.headers.contains_key(CONTENT_LENGTH)
    };
    let five = [("content-length", "5")];
    assert!(!length(StatusCode::OK, false, &five), "the server says it of the body itself");
    assert!(length(StatusCode::OK, true, &five) && length(StatusCode::NOT_MODIFIED, false, &five));
    let both = [five[0], ("transfer-encoding", "chunked")];
    assert!(!length(StatusCode::OK, true, &both));
}
