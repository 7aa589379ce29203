//! Hands: the pointer and the keyboard, by the server's own extension for tests.

use std::thread::sleep;
use std::time::Duration;

use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{
    BUTTON_PRESS_EVENT, BUTTON_RELEASE_EVENT, ConnectionExt as _, KEY_PRESS_EVENT,
    KEY_RELEASE_EVENT, MOTION_NOTIFY_EVENT,
};
use x11rb::protocol::xtest::ConnectionExt as _;

use super::super::order::{Direction, Point};
use super::display::{Display, Trouble};
use super::keys::{self, Batch, Keymap, Keysym, Stroke};

/// How many places a drag has between its ends: programs want to see that something moves.
const DRAG_STEPS: u32 = 12;

/// How long it stays at each.
const DRAG_PAUSE: Duration = Duration::from_millis(8);

impl Display {
    /// Moves the pointer to a place on the screen.
    pub(super) fn point(&self, to: Point) -> Result<(), Trouble> {
        let at = |value: u32| i16::try_from(value).unwrap_or(i16::MAX);
        let (x, y) = (at(to.x), at(to.y));
        self.connection.xtest_fake_input(MOTION_NOTIFY_EVENT, 0, 0, self.root, x, y, 0)?;
        Ok(())
    }

    fn press(&self, event: u8, detail: u8) -> Result<(), Trouble> {
        self.connection.xtest_fake_input(event, detail, 0, self.root, 0, 0, 0)?;
        Ok(())
    }

    /// Clicks where the pointer is.
    pub(super) fn click(&self, button: u8, times: u32) -> Result<(), Trouble> {
        for _ in 0..times {
            self.press(BUTTON_PRESS_EVENT, button)?;
            self.press(BUTTON_RELEASE_EVENT, button)?;
        }
        self.settle()
    }

    pub(super) fn scroll(&self, direction: Direction, amount: u32) -> Result<(), Trouble> {
        self.click(direction as u8, amount)
    }

    pub(super) fn drag(&self, from: Point, to: Point) -> Result<(), Trouble> {
        self.point(from)?;
        self.press(BUTTON_PRESS_EVENT, 1)?;
        for step in 1..=DRAG_STEPS {
            let along = |a: u32, b: u32| (a * (DRAG_STEPS - step) + b * step) / DRAG_STEPS;
            self.point(Point { x: along(from.x, to.x), y: along(from.y, to.y) })?;
            self.connection.flush()?;
            sleep(DRAG_PAUSE);
        }
        self.press(BUTTON_RELEASE_EVENT, 1)?;
        self.settle()
    }

    /// Presses keys one after the other, then lets them go, the last one first.
    pub(super) fn chord(&self, chord: &str) -> Result<(), Trouble> {
        let keys = keys::of_chord(chord).map_err(Trouble::Refused)?;
        self.let_go()?;
        let mut codes = vec![];
        for key in keys {
            let stroke = self.stroke(key)?;
            if stroke.shift {
                codes.push(self.stroke(keys::SHIFT)?.code);
            }
            codes.push(stroke.code);
        }
        for code in &codes {
            self.press(KEY_PRESS_EVENT, *code)?;
        }
        for code in codes.iter().rev() {
            self.press(KEY_RELEASE_EVENT, *code)?;
        }
        self.settle()
    }

    /// How a key is pressed, lent to it if there is none.
    fn stroke(&self, key: Keysym) -> Result<Stroke, Trouble> {
        let map = self.keymap()?;
        if let Some(stroke) = map.stroke(key) {
            return Ok(stroke);
        }
        let code = map.to_lend().ok_or_else(|| Trouble::Refused("there is no such key".into()))?;
        self.lend(&[(code, key)])?;
        Ok(Stroke { code, shift: false })
    }

    /// How a text is typed, batch by batch.
    pub(super) fn batches(&self, text: &str) -> Result<Vec<Batch>, Trouble> {
        self.keymap()?.typed(text).map_err(Trouble::Refused)
    }

    /// Types a batch.
    pub(super) fn strike(&self, batch: &Batch) -> Result<(), Trouble> {
        self.let_go()?;
        self.lend(&batch.lend)?;
        let shift = self.keymap()?.stroke(keys::SHIFT).map(|stroke| stroke.code);
        for Stroke { code, shift: with } in &batch.strokes {
            let shift = shift.filter(|_| *with);
            for code in shift.iter().chain([code]) {
                self.press(KEY_PRESS_EVENT, *code)?;
            }
            for code in [code].into_iter().chain(shift.iter()) {
                self.press(KEY_RELEASE_EVENT, *code)?;
            }
        }
        self.settle()
    }

    fn keymap(&self) -> Result<Keymap, Trouble> {
        let setup = self.connection.setup();
        let (first, last) = (setup.min_keycode, setup.max_keycode);
        let count = last.saturating_sub(first).saturating_add(1);
        let reply = self.connection.get_keyboard_mapping(first, count)?.reply()?;
        Ok(Keymap { first, per_key: reply.keysyms_per_keycode.into(), meanings: reply.keysyms })
    }

    fn lend(&self, keys: &[(u8, Keysym)]) -> Result<(), Trouble> {
        for (code, key) in keys {
            // The same with shift, whatever the server makes of capitals.
            self.connection.change_keyboard_mapping(1, *code, 2, &[*key, *key])?.check()?;
        }
        Ok(())
    }
}
