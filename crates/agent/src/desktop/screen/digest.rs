//! Whether others have taken what our hands did. The server passes keys on at once; but a window
//! manager may hold a click back until it has looked at it, and a program looks up what a key means
//! when it comes to it, not when it was pressed.

use std::thread::sleep;
use std::time::{Duration, Instant};

use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    ChangeWindowAttributesAux, ClientMessageEvent, ConnectionExt as _, EventMask, KeyButMask,
    Window,
};

use super::display::{Display, Trouble};

/// How long a window manager may hold a click back, or leave an answer.
const HELD: Duration = Duration::from_secs(2);

/// How often to look whether it does.
const LOOK: Duration = Duration::from_millis(2);

/// How often to ask who manages windows.
const ASK: Duration = Duration::from_millis(20);

/// The most windows between one that has the keyboard and that of its program.
const MOST_DEEP: usize = 8;

impl Display {
    /// Waits until the window manager answers, if there is one, what it would put around this window:
    /// it has taken then what came before. Openbox leaves windows that ask to be shown while it starts
    /// lying, for ever if nothing else comes.
    pub(super) fn managed(&self, window: Window) -> Result<(), Trouble> {
        let atoms = &self.atoms;
        let nobody =
            self.connection.get_selection_owner(atoms.WM_S0)?.reply()?.owner == x11rb::NONE;
        let asked = ClientMessageEvent::new(32, window, atoms._NET_REQUEST_FRAME_EXTENTS, [0; 5]);
        let mask = EventMask::SUBSTRUCTURE_REDIRECT | EventMask::SUBSTRUCTURE_NOTIFY;
        let until = Instant::now() + HELD;
        while !nobody
            && Instant::now() < until
            && self.list(atoms._NET_FRAME_EXTENTS, window)?.is_empty()
        {
            // One that came too early lies with the others.
            self.connection.send_event(false, self.root, mask, asked)?.check()?;
            sleep(ASK);
        }
        Ok(())
    }

    /// Waits until no button is down, which one that is held back is: keys would overtake it.
    pub(super) fn let_go(&self) -> Result<(), Trouble> {
        let buttons = KeyButMask::BUTTON1 | KeyButMask::BUTTON2 | KeyButMask::BUTTON3;
        let until = Instant::now() + HELD;
        while self.connection.query_pointer(self.root)?.reply()?.mask.intersects(buttons)
            && Instant::now() < until
        {
            sleep(LOOK);
        }
        Ok(())
    }

    /// Asks the program that has the keyboard to answer when it has taken all that came before; the
    /// window it will name, if it is one that answers.
    pub(super) fn ping(&self) -> Result<Option<Window>, Trouble> {
        let mut window = self.connection.get_input_focus()?.reply()?.focus;
        for _ in 0..MOST_DEEP {
            // None, or wherever the pointer is.
            if window <= 1 || window == self.root {
                return Ok(None);
            }
            if self.list(self.atoms.WM_PROTOCOLS, window)?.contains(&self.atoms._NET_WM_PING) {
                self.hear(EventMask::SUBSTRUCTURE_NOTIFY)?;
                let data = [self.atoms._NET_WM_PING, x11rb::CURRENT_TIME, window, 0, 0];
                let asked = ClientMessageEvent::new(32, window, self.atoms.WM_PROTOCOLS, data);
                self.connection.send_event(false, window, EventMask::NO_EVENT, asked)?;
                return Ok(Some(window));
            }
            window = self.connection.query_tree(window)?.reply()?.parent;
        }
        Ok(None)
    }

    /// Whether this is the answer of that window.
    pub(super) fn is_pong(&self, event: &Event, window: Window) -> bool {
        let Event::ClientMessage(told) = event else { return false };
        let data = told.data.as_data32();
        told.window == self.root && (data[0], data[2]) == (self.atoms._NET_WM_PING, window)
    }

    /// Answers go to the root window; they are not heard when nobody waits for one.
    pub(super) fn hear(&self, mask: EventMask) -> Result<(), Trouble> {
        let heard = ChangeWindowAttributesAux::new().event_mask(mask);
        self.connection.change_window_attributes(self.root, &heard)?;
        Ok(())
    }
}
