//! The clipboard. What is copied to it is given by its owner whenever somebody pastes; so what an
//! order copied is given from here, as long as nobody else copies something.

use std::time::{Duration, Instant};

use x11rb::CURRENT_TIME;
use x11rb::connection::Connection as _;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    AtomEnum, ConnectionExt as _, CreateWindowAux, EventMask, PropMode, SELECTION_NOTIFY_EVENT,
    SelectionNotifyEvent, SelectionRequestEvent, Window, WindowClass,
};
use x11rb::wrapper::ConnectionExt as _;

use super::super::order::MOST_TEXT_BYTES;
use super::display::{Display, Trouble};

/// How long an owner may take to give what was copied.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) struct Clipboard {
    /// Nobody sees it; it stands for us.
    pub(super) window: Window,
    copied: Option<String>,
}

impl Clipboard {
    pub(super) fn new(display: &Display) -> Result<Self, Trouble> {
        let window = display.connection.generate_id()?;
        let (class, aux) = (WindowClass::INPUT_ONLY, CreateWindowAux::new());
        display.connection.create_window(0, window, display.root, 0, 0, 1, 1, 0, class, 0, &aux)?;
        Ok(Self { window, copied: None })
    }

    pub(super) fn copy(&mut self, display: &Display, text: &str) -> Result<(), Trouble> {
        let clipboard = display.atoms.CLIPBOARD;
        display.connection.set_selection_owner(self.window, clipboard, CURRENT_TIME)?;
        let owner = display.connection.get_selection_owner(clipboard)?.reply()?.owner;
        if owner != self.window {
            return Err(Trouble::Refused("another program keeps the clipboard".into()));
        }
        self.copied = Some(text.into());
        Ok(())
    }

    /// What was copied; none if nothing was, or nothing that is text.
    pub(super) fn paste(&mut self, display: &Display) -> Result<Option<String>, Trouble> {
        if self.copied.is_some() {
            return Ok(self.copied.clone());
        }
        let atoms = &display.atoms;
        let (connection, into) = (&display.connection, atoms.CAGENT_COPIED);
        connection.delete_property(self.window, into)?;
        connection.convert_selection(
            self.window,
            atoms.CLIPBOARD,
            atoms.UTF8_STRING,
            into,
            CURRENT_TIME,
        )?;
        let given = self.given(display)?;
        if !given {
            return Ok(None);
        }
        let most = u32::try_from(MOST_TEXT_BYTES / 4).unwrap_or(u32::MAX);
        let property =
            connection.get_property(true, self.window, into, AtomEnum::ANY, 0, most)?.reply()?;
        if property.type_ == atoms.INCR || property.bytes_after > 0 {
            let why = format!("more was copied than the {MOST_TEXT_BYTES} bytes that can be read");
            return Err(Trouble::Refused(why));
        }
        Ok(Some(String::from_utf8_lossy(&property.value).into_owned()))
    }

    /// Waits for the owner; whether they gave something.
    fn given(&mut self, display: &Display) -> Result<bool, Trouble> {
        let until = Instant::now() + PATIENCE;
        loop {
            while let Some(event) = display.event()? {
                match event {
                    Event::SelectionNotify(told) if told.requestor == self.window => {
                        return Ok(told.property != x11rb::NONE);
                    }
                    other => self.serve(display, &other)?,
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            display.pause(left)?;
        }
    }

    /// Gives what was copied to who asks for it.
    pub(super) fn serve(&mut self, display: &Display, event: &Event) -> Result<(), Trouble> {
        match event {
            Event::SelectionRequest(asked) => self.give(display, asked),
            Event::SelectionClear(lost) if lost.selection == display.atoms.CLIPBOARD => {
                self.copied = None;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn give(&self, display: &Display, asked: &SelectionRequestEvent) -> Result<(), Trouble> {
        let (atoms, connection) = (&display.atoms, &display.connection);
        let texts = [atoms.UTF8_STRING, atoms.TEXT_UTF8, AtomEnum::STRING.into()];
        // Old programs name no place.
        let into = if asked.property == x11rb::NONE { asked.target } else { asked.property };
        let (who, replace) = (asked.requestor, PropMode::REPLACE);
        let given = match &self.copied {
            Some(_) if asked.target == atoms.TARGETS => {
                let targets = [&[atoms.TARGETS], &texts[..]].concat();
                connection.change_property32(replace, who, into, AtomEnum::ATOM, &targets)?;
                true
            }
            Some(text) if texts.contains(&asked.target) => {
                connection.change_property8(replace, who, into, asked.target, text.as_bytes())?;
                true
            }
            _ => false,
        };
        let told = SelectionNotifyEvent {
            response_type: SELECTION_NOTIFY_EVENT,
            sequence: 0,
            time: asked.time,
            requestor: who,
            selection: asked.selection,
            target: asked.target,
            property: if given { into } else { x11rb::NONE },
        };
        connection.send_event(false, who, EventMask::NO_EVENT, told)?;
        connection.flush()?;
        Ok(())
    }
}
