//! Pages of ours without a script: lists, refusals. Whatever a job or a person wrote is escaped.

use std::fmt::Write as _;

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};

use jobs::JobError;

use crate::guard::{self, Refusal};

/// What such a page may load: its style.
const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// The style of every page.
pub(crate) const STYLE: (&str, &str, &str) =
    ("/.cagent/portal.css", "text/css; charset=utf-8", include_str!("../assets/portal.css"));

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
        let style = STYLE.0;
        let html = format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n{refresh}\
             <title>{title}</title>\n<link rel=\"stylesheet\" href=\"{style}\">\n\
             <main>\n<h1>{title}</h1>\n{body}</main>\n"
        );
        let head = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CACHE_CONTROL, "no-store")];
        guard::seal((status, head, html).into_response(), POLICY)
    }
}

/// A file of ours, the same for everybody.
pub(crate) fn asset(media_type: &'static str, content: impl Into<Body>) -> Response {
    let head = [(CONTENT_TYPE, media_type), (CACHE_CONTROL, "no-cache")];
    guard::seal((head, content.into()).into_response(), POLICY)
}

/// Whoever asks for something that is not there.
pub(crate) fn nothing() -> Response {
    Page::new(StatusCode::NOT_FOUND, "There is nothing here").into()
}

/// Whoever may not ask.
pub(crate) fn refused(refusal: Refusal, own: &str) -> Response {
    let page = Page::new(StatusCode::FORBIDDEN, "Refused");
    let page = match refusal {
        Refusal::Host => page.text("This server does not answer to that name.").link(own, own),
        Refusal::Origin => page.text("A page of another origin may not do this."),
    };
    page.into()
}

/// A job that cannot be looked at.
pub(crate) fn unseen(error: &JobError) -> Response {
    match error {
        JobError::NotFound(job) => Page::new(StatusCode::NOT_FOUND, "There is no such job")
            .text(&format!("There is no job {job}, or its retention is over."))
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
