//! Pages of ours without a script: lists, refusals. Whatever a job or a person wrote is escaped.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};

use jobs::JobError;

use crate::{PortalConfig, guard};

/// What such a page may load: its style and its icon.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// The style of every page.
const STYLE: &str = include_str!("../assets/portal.css");

/// The icon of every page, an SVG.
pub const ICON: &str = include_str!("../assets/icon.svg");

/// The words of a link to our own page.
pub(crate) const TO_LIST: &str = "Jobs that run";

/// A page.
#[derive(Debug)]
pub(crate) struct Page {
    status: StatusCode,
    title: String,
    refresh: String,
    body: String,
}

impl Page {
    pub(crate) fn new(status: StatusCode, title: &str) -> Self {
        Self { status, title: escape(title), refresh: String::new(), body: String::new() }
    }

    /// A paragraph, in which back quotes mark code.
    pub(crate) fn text(mut self, text: &str) -> Self {
        self.body += "<p>";
        for (n, piece) in text.split('`').enumerate() {
            let piece = escape(piece);
            self.body += &if n % 2 == 1 { format!("<code>{piece}</code>") } else { piece };
        }
        self.body += "</p>\n";
        self
    }

    /// A paragraph with a link.
    pub(crate) fn link(mut self, to: &str, words: &str) -> Self {
        let (to, words) = (escape(to), escape(words));
        // Writing into a string cannot fail.
        let _ = writeln!(self.body, "<p><a href=\"{to}\">{words}</a></p>");
        self
    }

    /// HTML that was escaped where it must be.
    pub(crate) fn html(mut self, html: &str) -> Self {
        self.body += html;
        self
    }

    /// Goes on to another address after so many seconds, without a trace of this one.
    pub(crate) fn refresh(mut self, seconds: u32, to: &str) -> Self {
        let to = escape(to);
        self.refresh = format!("<meta http-equiv=\"refresh\" content=\"{seconds};url={to}\">\n");
        self
    }
}

impl From<Page> for Response {
    fn from(page: Page) -> Self {
        let Page { status, title, refresh, body } = page;
        let html = format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n{refresh}\
             <title>{title}</title>\n<link rel=\"icon\" href=\"/.cagent/icon.svg\">\n\
             <link rel=\"stylesheet\" href=\"/.cagent/portal.css\">\n\
             <main>\n<h1>{title}</h1>\n{body}</main>\n"
        );
        let head = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CACHE_CONTROL, "no-store")];
        guard::seal((status, head, html).into_response(), POLICY)
    }
}

/// What every page of ours loads, at every name that somebody comes by.
pub(crate) fn shared(path: &str) -> Option<Response> {
    match path {
        "/.cagent/portal.css" => Some(asset("text/css; charset=utf-8", STYLE)),
        "/.cagent/icon.svg" => Some(asset("image/svg+xml", ICON)),
        _ => None,
    }
}

/// A file of ours, the same for everybody.
pub(crate) fn asset(media_type: &'static str, content: impl Into<Body>) -> Response {
    let head = [(CONTENT_TYPE, media_type), (CACHE_CONTROL, "no-cache")];
    guard::seal((head, content.into()).into_response(), POLICY)
}

/// Whoever asks for something that is not there.
pub(crate) fn nothing(list: &str) -> Response {
    Page::new(StatusCode::NOT_FOUND, "There is nothing here").link(list, TO_LIST).into()
}

/// Whoever comes by a name that is not ours, such as the server's address.
pub(crate) fn misnamed(config: &PortalConfig, home: &str) -> Response {
    let domain = &config.domain;
    let page = Page::new(StatusCode::FORBIDDEN, "Not by this name").text(&format!(
        "Each job has a name of its own here, so this server answers to `{}`, names below it, and no \
         other name or address.",
        domain.name
    ));
    if !domain.is_local() {
        return page.link(home, home).into();
    }
    page.text("These names lead every machine to itself. On the server's own machine, open")
        .link(home, home)
        .text("From another one, bring the ports there first, and then open the same address:")
        .html(&format!("<pre>{}</pre>\n", escape(&tunnel(config))))
        .text("Or set `CAGENT_PREVIEW_DOMAIN` to a domain whose every name leads to the server.")
        .into()
}

/// Goes on to an address of ours.
pub(crate) fn see_other(to: &str) -> Response {
    // Addresses are our own, and plain ASCII.
    let to = HeaderValue::try_from(to).unwrap_or_else(|_| HeaderValue::from_static("/"));
    let head = [(LOCATION, to), (CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    guard::seal((StatusCode::SEE_OTHER, head).into_response(), "default-src 'none'")
}

/// What brings our ports to another machine.
fn tunnel(config: &PortalConfig) -> String {
    let [desktop, jupyter] = [config.desktop, config.jupyter].map(|mut to| {
        if to.ip().is_unspecified() {
            to.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        format!("-L {}:{to}", to.port())
    });
    format!("ssh -N {desktop} {jupyter} SERVER")
}

/// A page of another origin that does more than to lead people here.
pub(crate) fn foreign() -> Response {
    Page::new(StatusCode::FORBIDDEN, "Refused")
        .text("A page of another origin may not do this.")
        .into()
}

/// Whoever was not let in. `command` prints a link.
pub(crate) fn by_link(command: &str) -> Response {
    Page::new(StatusCode::FORBIDDEN, "Come by a link")
        .text(&format!(
            "`{command}` prints one, which works once, within a minute. The API makes one too: \
             `POST /v1/jobs/JOB/tickets`. Where the server asks for keys, both need one \
             (`CAGENT_API_KEY`)."
        ))
        .into()
}

/// A job that cannot be looked at.
pub(crate) fn unseen(error: &JobError, list: &str) -> Response {
    match error {
        JobError::NotFound(job) => Page::new(StatusCode::NOT_FOUND, "There is no such job")
            .text(&format!("There is no job {job}, or its retention is over."))
            .link(list, TO_LIST)
            .into(),
        JobError::Store(_) => {
            tracing::error!("could not look at a job: {error}");
            Page::new(StatusCode::INTERNAL_SERVER_ERROR, "The server failed").into()
        }
    }
}

/// A text that stands for itself in HTML, also within an attribute.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            c if c.is_control() && c != '\n' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_hostile_becomes_a_tag() {
        let text = "<script>alert('1')</script>\u{1b}[2J \"onload=\"x\" & `<b>`";
        let page = Page::new(StatusCode::OK, text).text(text).link(text, text).refresh(1, text);
        for part in [page.title, page.refresh.replacen("<meta http-equiv", "", 1), page.body] {
            assert!(!part.contains("<script") && !part.contains("<b>"), "{part}");
            assert!(!part.contains('\u{1b}') && !part.contains("\"x\""), "{part}");
        }
        assert_eq!(escape("a<b>&\"'"), "a&lt;b&gt;&amp;&quot;&#39;");
    }
}
