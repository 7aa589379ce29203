//! What people open of a job in a browser: its desktop, Jupyter Lab, and what its programs serve.
//! All of it is hostile, so each job has origins of its own (`<job>.localhost`), which are entered
//! with tickets: short-lived, for one job and one view.
//!
//! | file | what |
//! |---|---|
//! | `guard` | what every request must pass; what every answer of ours carries |
//! | `origin`, `domain` | which origin a request means, and how it is written |
//! | `list` | our own page |
//! | `tickets` | tickets and sessions |
//! | `entry` | the way from one to the other |
//! | `desktop` | a job's desktop: page, filter, bridge, who has mouse and keyboard |
//! | `proxy` | Jupyter Lab and previews: what a job serves by HTTP |
//! | `pages` | pages without a script |
//!
//! Not here: the API (crate `api`, which hands out tickets), the listeners (crate `cagent`), what is
//! at the other end (crate `agent`).

mod desktop;
mod domain;
mod entry;
mod guard;
mod list;
mod origin;
mod pages;
mod proxy;
mod tickets;
mod view;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::extract::ws::WebSocketUpgrade;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use jiff::Timestamp;
use jobs::{Holder, Jobs, SESSION};
use types::JobId;

pub use desktop::SeatError;
pub use domain::{Domain, NoDomain};
pub use entry::{HOST_ONLY, cookies};
pub use pages::ICON;
pub use view::View;

use desktop::Desktops;
use guard::Refusal;
use origin::{Part, Place};
use pages::Page;
use proxy::{Lines, Visit};
use tickets::{Secrets, TICKET};
use view::Door;

/// How the portal is set up.
#[derive(Clone, Debug)]
pub struct PortalConfig {
    /// Where [`Portal::desktops`] is served.
    pub desktop: SocketAddr,
    /// Where [`Portal::jupyter`] is served.
    pub jupyter: SocketAddr,
    /// Where the API is.
    pub api: SocketAddr,
    /// What every origin ends in.
    pub domain: Domain,
    /// Whether people need a key: then nobody enters without a ticket, and nothing is listed.
    pub needs_keys: bool,
    /// Whether previews may also be had by path, on the origin of all, as the operator wished.
    pub path_previews: bool,
}

/// A way in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The address with a ticket in it, for one use.
    pub url: String,
    /// When the ticket stops working.
    pub expires: Timestamp,
}

/// Everything that serves job's own content. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Portal {
    jobs: Jobs,
    config: Arc<PortalConfig>,
    tickets: Arc<Secrets>,
    sessions: Arc<Secrets>,
    desktops: Arc<Desktops>,
    lines: Arc<Lines>,
}

impl Portal {
    /// Sets it up; nothing is served yet.
    #[must_use]
    pub fn new(jobs: Jobs, config: PortalConfig) -> Self {
        Self {
            desktops: Arc::new(Desktops::new(jobs.clone())),
            jobs,
            config: Arc::new(config),
            tickets: Arc::new(Secrets::new(TICKET)),
            sessions: Arc::new(Secrets::new(SESSION)),
            lines: Arc::default(),
        }
    }

    /// What is served on the port of desktops: the list of them, desktops, previews.
    pub fn desktops(&self) -> Router {
        self.router(Door::Desktops)
    }

    /// What is served on the port of Jupyter.
    pub fn jupyter(&self) -> Router {
        self.router(Door::Jupyter)
    }

    /// Makes a connection to a job's desktop of a request that asks for `Upgrade: rfb`, or of the
    /// WebSocket that was taken from it. It is as in the browser: one has mouse and keyboard, and who
    /// only watches can move nothing. It ends with what its holder has shown.
    ///
    /// # Errors
    /// [`SeatError`]; before anything was answered.
    pub async fn rfb(
        &self,
        job: JobId,
        control: bool,
        holder: Holder,
        socket: Option<WebSocketUpgrade>,
        request: Request,
    ) -> Result<Response, SeatError> {
        let seat = self.desktops.sit(job, control, Some(holder)).await?;
        Ok(desktop::rfb(job, seat, socket, request))
    }

    fn router(&self, door: Door) -> Router {
        let portal = self.clone();
        Router::new().fallback(move |request: Request| {
            let portal = portal.clone();
            async move { portal.answer(door, request).await }
        })
    }

    /// Goes by the origin first: what is on one is nobody else's business.
    async fn answer(&self, door: Door, request: Request) -> Response {
        if let Some(shared) = pages::shared(request.uri().path()) {
            return shared;
        }
        let place = match guard::place(&request, &self.config.domain.name) {
            Ok(place) => place,
            Err(Refusal::Host) => return pages::misnamed(&self.config, &self.home(door)),
            Err(Refusal::Origin) => return pages::foreign(),
        };
        let (method, uri) = (request.method(), request.uri());
        let by_path = self.config.path_previews && proxy::path::leads_here(uri);
        match place {
            Place::Job(job, part) if uri.path() == entry::PATH => {
                self.enter(job, part, method, uri)
            }
            Place::Own if by_path => proxy::path::answer(self, request).await,
            Place::Own | Place::Job(_, Part::Desktop) if !is_look(method) => {
                Page::new(StatusCode::METHOD_NOT_ALLOWED, "This can only be looked at").into()
            }
            Place::Own => list::answer(self, door, uri.path(), request.headers()).await,
            Place::Job(job, Part::Desktop) => desktop::answer(self, job, request).await,
            Place::Job(job, Part::Jupyter) => self.visit(job, View::Jupyter, request).await,
            Place::Job(job, Part::Port(port)) => {
                self.visit(job, View::Preview { port }, request).await
            }
        }
    }

    /// What a job serves itself, on an origin of its own.
    async fn visit(&self, job: JobId, view: View, request: Request) -> Response {
        proxy::answer(self, Visit { job, view, base: "" }, request).await
    }

    /// The page that lists desktops.
    #[must_use]
    pub fn desktop_list(&self) -> String {
        self.home(Door::Desktops)
    }

    /// The page that lists Jupyter Labs.
    #[must_use]
    pub fn jupyter_list(&self) -> String {
        self.home(Door::Jupyter)
    }

    /// Our own page, which leads straight into the only job.
    fn home(&self, door: Door) -> String {
        self.origin(Place::Own, door) + "/"
    }

    /// Our own page, which leads nowhere by itself.
    fn list(&self, door: Door) -> String {
        self.home(door) + "list"
    }
}

fn is_look(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}
