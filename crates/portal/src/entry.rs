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
use jobs::{Holder, SESSION};
use serde::Deserialize;
use types::JobId;

use crate::origin::{Part, Place};
use crate::pages::Page;
use crate::tickets::{Grant, TICKET};
use crate::view::{Door, View};
use crate::{Link, Portal, proxy};

/// Where tickets are used, on every origin of a job: what a job serves may have any other path.
pub(crate) const PATH: &str = "/.cagent/enter";

/// The most cookies that are tried: job's pages can set some for us, where we share a domain.
const MAX_COOKIES: usize = 64;

/// What the name of a cookie begins with of which browsers see to it that only this host sets it.
pub const HOST_ONLY: &str = "__Host-";

#[derive(Deserialize)]
struct Ticket {
    ticket: String,
}

impl Portal {
    /// Makes a ticket and the address to use it at. What it opens ends with what its holder has
    /// shown, if that was anything.
    #[must_use]
    pub fn link(&self, job: JobId, view: View, holder: Option<Holder>) -> Link {
        let ticket = self.tickets.give(Instant::now(), Grant { job, view, holder });
        let expires = Timestamp::now() + SignedDuration::try_from(TICKET).unwrap_or_default();
        Link { url: format!("{}{PATH}?ticket={ticket}", self.address(job, view)), expires }
    }

    /// Where a view is, without a slash at its end.
    #[must_use]
    pub fn address(&self, job: JobId, view: View) -> String {
        let base = self.base(job, view);
        let place = if base.is_empty() { Place::Job(job, view.part()) } else { Place::Own };
        self.origin(place, view.door()) + &base
    }

    /// Without a slash at its end.
    pub(crate) fn origin(&self, place: Place, door: Door) -> String {
        let at = match door {
            Door::Desktops => self.config.desktop,
            Door::Jupyter => self.config.jupyter,
        };
        let domain = &self.config.domain;
        domain.origin(&place.host(&domain.name), at.port())
    }

    /// The path that a view is below: none but of previews, where they are had by path.
    fn base(&self, job: JobId, view: View) -> String {
        match view {
            View::Preview { port } if self.config.path_previews => proxy::path::base(job, port),
            _ => String::new(),
        }
    }

    /// Exchanges the ticket in the address.
    pub(crate) fn enter(&self, job: JobId, part: Part, method: &Method, uri: &Uri) -> Response {
        let here = |grant: &Grant| (grant.job, grant.view.part()) == (job, part);
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
                .text("A link works once, within a minute. `cagent open JOB` prints a new one.")
                .link("../", "Go on without, if this browser was let in before")
                .into(),
        }
    }

    /// Lets somebody in who needs no key; the cookie for it.
    pub(crate) fn admit(&self, job: JobId, view: View) -> HeaderValue {
        self.begin(Grant { job, view, holder: None })
    }

    /// Begins a session; the cookie for it.
    fn begin(&self, grant: Grant) -> HeaderValue {
        let secret = self.sessions.give(Instant::now(), grant);
        let Grant { job, view, .. } = grant;
        let (name, base, age) = (self.cookie(view), self.base(job, view), SESSION.as_secs());
        let secure = if self.config.domain.tls.is_some() { "; Secure" } else { "" };
        let cookie = format!(
            "{name}={secret}; Path={base}/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}"
        );
        // Names and secrets are plain ASCII.
        HeaderValue::try_from(cookie).unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    /// By what whoever sends these headers was let in to this view of this job, if they were.
    pub(crate) fn grant(&self, headers: &HeaderMap, job: JobId, view: View) -> Option<Grant> {
        let now = Instant::now();
        let name = self.cookie(view);
        let mut secrets = cookies(headers, &name);
        let here = |grant: &Grant| (grant.job, grant.view) == (job, view) && self.is_good(grant);
        secrets.find_map(|secret| self.sessions.look(now, secret).filter(here))
    }

    /// Its name. Over TLS one that no other host can set, unless it has a path.
    fn cookie(&self, view: View) -> String {
        let by_path = self.config.path_previews && matches!(view, View::Preview { .. });
        let strict = self.config.domain.tls.is_some() && !by_path;
        format!("{}{}", if strict { HOST_ONLY } else { "" }, view.cookie())
    }

    fn is_good(&self, grant: &Grant) -> bool {
        grant.holder.is_none_or(|holder| self.jobs.still_holds(holder))
    }
}

fn admitted(cookie: &HeaderValue, home: &str) -> Response {
    let page = Page::new(StatusCode::OK, "One moment").link(home, "Go on").refresh(0, home);
    let mut response = Response::from(page);
    response.headers_mut().insert(SET_COOKIE, cookie.clone());
    response
}

/// The values of the cookies of this name, so many of them as are worth a look: another origin may
/// have set one beside ours.
pub fn cookies<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs =
        lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(move |(given, _)| *given == name).map(|(_, value)| value).take(MAX_COOKIES)
}
