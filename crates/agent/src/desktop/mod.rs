//! The sandbox's desktop: one `Xvnc` and a window manager, started when somebody first wants it, as
//! the command user, and kept until the job is over; and what is seen and done there.
//!
//! ```text
//!  agentd ── orders, answers ──► agentd screen ── X11 ──► Xvnc ◄── X11 ── programs
//!     └──────────────── RFB, for people ──────────────────▲
//! ```
//!
//! Not here: who may look or touch (crate `portal`), what a model asks of it ([`crate::tools`]).

mod helper;
mod order;
pub(crate) mod screen;
mod server;

use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use protocol::Inbox;
use tokio::net::UnixStream;
use tokio::sync::Mutex;
use tokio::task::spawn_local;
use tokio::time::timeout;

use crate::step::{Place, Runner};
use helper::{Helper, PATIENCE};
use order::{Answer, Request};
pub(crate) use order::{Button, Direction, MOST_TEXT_BYTES, Order, Point, Show};
pub(crate) use server::{DISPLAY, SERVER};
use server::{Managed, SIZE, Server};

/// The desktop. There is one, which may not have been started.
#[derive(Debug)]
pub(crate) struct Desktop {
    runner: Rc<Runner>,
    place: Place,
    server: Mutex<Option<Server>>,
    helper: Mutex<Option<Helper>>,
}

impl Desktop {
    /// Where its programs begin, and with what variables.
    pub(crate) fn new(runner: Rc<Runner>, place: Place) -> Self {
        Self { runner, place, server: Mutex::default(), helper: Mutex::default() }
    }

    /// Why it can never be started here, if that is so, and how to get one.
    pub(crate) fn absent(&self) -> Option<&'static str> {
        server::absent(&self.place.environment)
    }

    /// Starts it, unless it runs, until what opens there gets the keyboard. Where there is no `Xvnc`,
    /// says how to get one.
    pub(crate) async fn start(self: &Rc<Self>) -> Result<(), String> {
        let managed = self.serve().await?;
        Rc::clone(self).manage(managed).await;
        Ok(())
    }

    /// Starts it, unless it runs: there is something to be seen then.
    async fn serve(self: &Rc<Self>) -> Result<Managed, String> {
        let mut slot = self.server.lock().await;
        if let Some(server) = slot.as_mut()
            && server.lives()
        {
            return Ok(server.managed());
        }
        *slot = None;
        let server = Server::start(&self.runner, &self.place).await?;
        let managed = slot.insert(server).managed();
        // Those who only look do not wait for it; windows that they want to see do.
        spawn_local(Rc::clone(self).manage(managed.clone()));
        Ok(managed)
    }

    /// Waits until windows are managed, all of them.
    async fn manage(self: Rc<Self>, managed: Managed) {
        managed.wait(self.ask(&Request::Managed, Duration::ZERO)).await;
    }

    /// A connection by RFB.
    pub(crate) async fn rfb(self: &Rc<Self>) -> Result<UnixStream, String> {
        self.serve().await?;
        let connected = server::connect().await;
        connected.map_err(|error| format!("the desktop takes no connections: {error}"))
    }

    /// What is to be seen, as a PNG. Who made it may be hostile.
    pub(crate) async fn screenshot(self: &Rc<Self>) -> Result<Vec<u8>, String> {
        self.serve().await?;
        Ok(self.ask(&Request::Whole, Duration::ZERO).await?.1)
    }

    /// Does something there and tells what came of it: a text, and a PNG if that was asked for. An
    /// error is for who gave the order.
    pub(crate) async fn perform(
        self: &Rc<Self>,
        order: &Order,
        show: Show,
    ) -> Result<(String, Vec<u8>), String> {
        self.start().await?;
        let request = Request::Do { order: order.clone(), show };
        let (answer, picture) = self.ask(&request, order.takes()).await?;
        if answer.ok { Ok((answer.text, picture)) } else { Err(answer.text) }
    }

    /// Gives the screen its size again each time that a person lets go of it, however they do.
    pub(crate) async fn keep_size(&self, inbox: &Inbox) -> Infallible {
        loop {
            inbox.desktop_lent().await;
            inbox.desktop_free().await;
            self.resize().await;
        }
    }

    /// Gives the screen, if it is there, the size that it began with. People make it as large as their
    /// window.
    pub(crate) async fn resize(&self) {
        if self.server.lock().await.as_mut().is_some_and(Server::lives) {
            let (width, height) = SIZE;
            // What is too hostile for that, stays as it is.
            let _ = self.ask(&Request::Resize { width, height }, Duration::ZERO).await;
        }
    }

    async fn ask(&self, request: &Request, takes: Duration) -> Result<(Answer, Vec<u8>), String> {
        let mut slot = self.helper.lock().await;
        // Whoever stops waiting for an answer leaves none behind for the next.
        let mut helper = match slot.take_if(|helper| helper.lives()) {
            Some(helper) => helper,
            None => {
                let started = Helper::start(&self.runner, &self.place).await;
                started.map_err(|error| format!("the desktop cannot be looked at: {error}"))?
            }
        };
        match timeout(PATIENCE + takes, helper.ask(request)).await {
            Ok(Ok(answer)) => {
                *slot = Some(helper);
                Ok(answer)
            }
            Ok(Err(error)) => Err(format!("the desktop gave no answer: {error}; try again")),
            Err(_) => Err("the desktop gave no answer in time; try again".into()),
        }
    }
}
