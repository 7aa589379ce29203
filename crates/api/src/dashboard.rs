//! The dashboard: a page and its parts, which `build.rs` embeds if `make dashboard` has built them.
//!
//! Every path of the dashboard gives browsers the same page, which then shows what the path says.
//! The names of its parts have a hash of what is in them, so a browser keeps them for ever.

use axum::Router;
use axum::http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
    VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::Api;
use crate::home::{framed, html};
use crate::problem::Problem;

include!(concat!(env!("OUT_DIR"), "/dashboard.rs"));

/// What a browser gets where no dashboard was built.
const MISSING: &str = include_str!("../assets/missing.html");

/// Of that, and of the pages that explain the API.
const STYLE: &str = include_str!("../assets/page.css");

/// It loads its own parts, talks to this server, and shows previews in frames; nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                      img-src 'self' blob: data:; connect-src 'self'; font-src 'self'; \
                      frame-src 'self' blob:; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// Of paths that are a page for browsers and something else for programs.
pub(crate) const BY_WHO_ASKS: HeaderValue = HeaderValue::from_static("accept, accept-encoding");

/// A file of the dashboard.
struct Part {
    path: &'static str,
    /// Differs when the content does; the same however it is encoded, so it is a weak one.
    tag: &'static str,
    plain: &'static [u8],
    gzip: &'static [u8],
}

/// The page's other paths, and what it loads.
pub(crate) fn routes() -> Router<Api> {
    Router::new()
        .route("/new", get(other))
        .route("/system", get(other))
        .route("/jobs/{id}", get(other))
        .route("/assets/{file}", get(asset))
        .route("/assets/icon.svg", get(([(CONTENT_TYPE, "image/svg+xml")], portal::ICON)))
        .route("/assets/page.css", get(([(CONTENT_TYPE, "text/css; charset=utf-8")], STYLE)))
}

/// The page, for a browser.
pub(crate) fn page(headers: &HeaderMap) -> Response {
    match &PAGE {
        // It names the parts of this very build.
        Some(page) => framed(sent(page, "no-cache", headers), POLICY),
        None => html(MISSING, "default-src 'none'; img-src 'self'; style-src 'self'"),
    }
}

/// Whether it is a browser that asks, for its user.
pub(crate) fn wants_html(headers: &HeaderMap) -> bool {
    has_word(headers, &ACCEPT, |media| media.starts_with("text/html"))
}

async fn other(uri: Uri, headers: HeaderMap) -> Response {
    let mut response = if wants_html(&headers) {
        page(&headers)
    } else {
        crate::unknown_path(uri).await.into_response()
    };
    response.headers_mut().insert(VARY, BY_WHO_ASKS);
    response
}

async fn asset(uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    match PARTS.iter().find(|part| part.path == uri.path()) {
        Some(part) => Ok(sent(part, "public, max-age=31536000, immutable", &headers)),
        None => Err(crate::unknown_path(uri).await),
    }
}

/// The part as the browser can read it, or that it has it already.
fn sent(part: &Part, kept: &'static str, headers: &HeaderMap) -> Response {
    let about = [(ETAG, part.tag), (CACHE_CONTROL, kept), (VARY, "accept-encoding")];
    if has_word(headers, &IF_NONE_MATCH, |tag| tag == part.tag) {
        return (StatusCode::NOT_MODIFIED, about).into_response();
    }
    let kind = [(CONTENT_TYPE, media_type(part.path))];
    if has_word(headers, &ACCEPT_ENCODING, |coding| coding == "gzip") {
        (about, kind, [(CONTENT_ENCODING, "gzip")], part.gzip).into_response()
    } else {
        (about, kind, part.plain).into_response()
    }
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.') {
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        Some((_, "wasm")) => "application/wasm",
        Some(_) => "application/octet-stream",
        None => "text/html; charset=utf-8",
    }
}

/// Whether a header is a list with such a word in it.
fn has_word(headers: &HeaderMap, name: &HeaderName, is: impl Fn(&str) -> bool) -> bool {
    let lists = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|word| is(word.trim()))
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    const PART: Part =
        Part { path: "/assets/main-1a2b.js", tag: "W/\"1a2b\"", plain: b"plain", gzip: b"small" };

    async fn answer(asked: &[(HeaderName, &'static str)]) -> (StatusCode, HeaderMap, Vec<u8>) {
        let asked =
            asked.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        let (head, body) = sent(&PART, "no-cache", &asked.collect()).into_parts();
        (head.status, head.headers, to_bytes(body, 100).await.unwrap().to_vec())
    }

    #[tokio::test]
    async fn a_part_comes_small_to_who_can_read_it() {
        let (_, head, body) = answer(&[(ACCEPT_ENCODING, "br, gzip, deflate")]).await;
        assert_eq!(
            (&head[CONTENT_ENCODING], body.as_slice()),
            (&"gzip".parse().unwrap(), PART.gzip)
        );
        assert_eq!(head[CONTENT_TYPE], "text/javascript; charset=utf-8");
        for asked in [&[][..], &[(ACCEPT_ENCODING, "br")], &[(ACCEPT_ENCODING, "gzip;q=0")]] {
            let (_, head, body) = answer(asked).await;
            assert_eq!((head.get(CONTENT_ENCODING), body.as_slice()), (None, PART.plain));
            assert_eq!(
                (&head[VARY], &head[ETAG]),
                (&"accept-encoding".parse().unwrap(), &PART.tag.parse().unwrap())
            );
        }
    }

    #[tokio::test]
    async fn who_has_a_part_already_is_not_sent_it_again() {
        for have in ["W/\"1a2b\"", "\"0\", W/\"1a2b\""] {
            let (status, head, body) = answer(&[(IF_NONE_MATCH, have)]).await;
            assert_eq!((status, body.len()), (StatusCode::NOT_MODIFIED, 0));
            assert_eq!(
                (&head[ETAG], &head[CACHE_CONTROL]),
                (&PART.tag.parse().unwrap(), &"no-cache".parse().unwrap())
            );
        }
        assert_eq!(answer(&[(IF_NONE_MATCH, "W/\"other\"")]).await.0, StatusCode::OK);
    }

    #[test]
    fn every_embedded_part_has_a_known_type_and_a_name_that_changes_with_it() {
        for part in PARTS {
            assert_ne!(media_type(part.path), "application/octet-stream", "{}", part.path);
            let stem = part.path.rsplit_once('.').unwrap().0;
            assert!(stem.len() > "/assets/-".len() + 8 && stem.contains('-'), "{}", part.path);
        }
    }
}
