//! The way in: a ticket in the address becomes a cookie of that origin, and the address is clean
//! again. The cookie never leaves its origin, no script sees it, no other site makes a browser send
//! it.
//!
//! The clean address is reached by a page that refreshes at once, not by a redirect: a browser that
//! was led here from another site sends the cookie only to what this origin itself asks for.

use std::time::Instant;

use axum::extract::Query;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use jobs::KeyId;
use serde::Deserialize;
use types::JobId;

use crate::origin::Place;
use crate::pages::Page;
use crate::tickets::{Grant, SESSION, TICKET};
use crate::view::{Door, View};
use crate::{Link, Portal, proxy};

/// Where tickets are used, on every origin of a job: what a job serves may have any other path.
pub(crate) const PATH: &str = "/.cagent/enter";

/// The most cookies that are tried: job's pages can set some for us, where we share a domain.
const MAX_COOKIES: usize = 64;

#[derive(Deserialize)]
struct Ticket {
    ticket: String,
}

impl Portal {
    /// Makes a ticket and the address to use it at. What it opens ends with the key that it was had
    /// with, if there was one.
    #[must_use]
    pub fn link(&self, job: JobId, view: View, key: Option<KeyId>) -> Link {
        let ticket = self.tickets.give(Instant::now(), Grant { job, view, key });
        let expires = Timestamp::now() + SignedDuration::try_from(TICKET).unwrap_or_default();
        Link { url: format!("{}{PATH}?ticket={ticket}", self.address(job, view)), expires }
    }

    /// Where a view is, without a slash at its end.
    #[must_use]
    pub fn address(&self, job: JobId, view: View) -> String {
        let base = self.base(job, view);
        let place = Place::Job { job, port: view.port() };
        let place = if base.is_empty() { place } else { Place::Own };
        let host = place.host(&self.config.domain);
        let at = match view.door() {
            Door::Desktops => self.config.desktop,
            Door::Jupyter => self.config.jupyter,
        };
        format!("http://{host}:{}{base}", at.port())
    }

    /// The path that a view is below: none but of previews, where they are had by path.
    fn base(&self, job: JobId, view: View) -> String {
        match view {
            View::Preview { port } if self.config.path_previews => proxy::path::base(job, port),
            _ => String::new(),
        }
    }

    /// Exchanges the ticket in the address.
    pub(crate) fn enter(
        &self,
        door: Door,
        (job, port): (JobId, Option<u16>),
        method: &Method,
        uri: &Uri,
    ) -> Response {
        let here =
            |grant: &Grant| (grant.job, grant.view.door(), grant.view.port()) == (job, door, port);
        let ticket = Query::<Ticket>::try_from_uri(uri).ok().filter(|_| method == Method::GET);
        let grant = ticket.and_then(|Query(Ticket { ticket })| {
            let grant = self.tickets.take(Instant::now(), &ticket);
            grant.filter(here).filter(|grant| self.is_good(grant))
        });
        match grant {
            Some(grant) => {
                let home = format!("{}/", self.base(grant.job, grant.view));
                admitted(&self.begin(grant), &home)
            }
            // Also for who comes back to the address: a session may be there, and `/` knows.
            None => Page::new(StatusCode::FORBIDDEN, "This link does not work any more")
                .text("A link is for one use and about a minute. Ask for a new one: `cagent open`, the dashboard, or the API.")
                .link("../", "I have been here before")
                .into(),
        }
    }

    /// Lets somebody in who needs no key; the cookie for it.
    pub(crate) fn admit(&self, job: JobId, view: View) -> HeaderValue {
        self.begin(Grant { job, view, key: None })
    }

    /// Begins a session; the cookie for it.
    fn begin(&self, grant: Grant) -> HeaderValue {
        let secret = self.sessions.give(Instant::now(), grant);
        let Grant { job, view, .. } = grant;
        let (name, age) = (view.cookie(), SESSION.as_secs());
        let base = self.base(job, view);
        let cookie =
            format!("{name}={secret}; Path={base}/; Max-Age={age}; HttpOnly; SameSite=Strict");
        // Names and secrets are plain ASCII.
        HeaderValue::try_from(cookie).unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    /// Whether whoever sends these headers was let in to this view of this job.
    pub(crate) fn is_in(&self, headers: &HeaderMap, job: JobId, view: View) -> bool {
        let now = Instant::now();
        let mut secrets = cookies(headers, view.cookie()).take(MAX_COOKIES);
        let here = |grant: &Grant| (grant.job, grant.view) == (job, view) && self.is_good(grant);
        secrets.any(|secret| self.sessions.look(now, secret).as_ref().is_some_and(here))
    }

    fn is_good(&self, grant: &Grant) -> bool {
        grant.key.is_none_or(|key| self.jobs.key_works(key))
    }
}

fn admitted(cookie: &HeaderValue, home: &str) -> Response {
    let page = Page::new(StatusCode::OK, "One moment").link(home, "Go on").refresh(0, home);
    let mut response = Response::from(page);
    response.headers_mut().insert(SET_COOKIE, cookie.clone());
    response
}

/// The values of the cookies of this name: another origin may have set one beside ours.
fn cookies<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs =
        lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(move |(given, _)| *given == name).map(|(_, value)| value)
}
