//! The whole terminal: all jobs, and one of them, while things happen.
//!
//! ```text
//! keys, events, the list ─► state (pure) ─► draw
//!                             └─► wishes ─► client
//! ```
//!
//! Invariant: the terminal is as it was before when a [`Screen`] is dropped, and after a panic.

mod draw;
mod state;

use std::io;

use anyhow::Context as _;
use crossterm::event::{self, Event, KeyEvent, KeyEventKind};
use ratatui::DefaultTerminal;

pub(crate) use state::{State, Wish};

/// The terminal, while all of it is ours.
#[derive(Debug)]
pub(crate) struct Screen(DefaultTerminal);

impl Screen {
    /// Takes it; a panic gives it back before it is told.
    pub(crate) fn begin() -> anyhow::Result<Self> {
        Ok(Self(ratatui::try_init().context("set up the terminal")?))
    }

    pub(crate) fn draw(&mut self, state: &State) -> io::Result<()> {
        self.0.draw(|frame| draw::draw(frame, state)).map(drop)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// What was typed since the last time; none if there is nothing. The flag is whether the size changed.
pub(crate) fn typed() -> io::Result<(Vec<KeyEvent>, bool)> {
    let (mut keys, mut resized) = (vec![], false);
    while event::poll(std::time::Duration::ZERO)? {
        match event::read()? {
            Event::Key(key) if key.kind == KeyEventKind::Press => keys.push(key),
            Event::Resize(..) => resized = true,
            _ => {}
        }
    }
    Ok((keys, resized))
}
