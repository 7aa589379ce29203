//! `agentd screen`: looks at the desktop and has its hands on it, for agentd, as the command user.
//!
//! It is a process of its own because the X server is the job's: what it answers is hostile, and
//! whoever waits for it may wait for ever. agentd gives each order its time, and ends this process
//! when that is over; nothing is lost but the clipboard.
//!
//! Not here: when it is started, and what its answers are worth ([`super::helper`]).

mod clipboard;
mod digest;
mod display;
mod input;
mod keys;
mod picture;
mod root;
mod still;
mod windows;

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::mem;
use std::time::Instant;

use x11rb::protocol::xproto::{EventMask, Window};

use super::order::{Answer, MOST_LINE_BYTES, Order, Request, Show};
use clipboard::Clipboard;
use display::{Display, Trouble};
use picture::{Frame, Size};
use still::{LOOK, Patience, Seen};

/// No change for somebody who waits: as large as a text cursor, which blinks.
const CURSOR: Size = Size { width: 12, height: 28 };

/// Answers the orders on standard input until that ends.
///
/// # Errors
/// When there is no X server, or not any more.
pub(crate) fn serve() -> Result<(), String> {
    let mut screen = Screen::open().map_err(Trouble::text)?;
    let mut orders = BufReader::new(io::stdin());
    loop {
        screen.idle().map_err(Trouble::text)?;
        let mut line = String::new();
        let read = orders.by_ref().take(MOST_LINE_BYTES as u64).read_line(&mut line);
        if read.map_err(|error| error.to_string())? == 0 {
            return Ok(());
        }
        let request = serde_json::from_str(&line).map_err(|error| error.to_string())?;
        let (answer, picture, lost) = match screen.answer(&request) {
            Ok((text, picture)) => {
                (Answer { ok: true, text, picture: picture.len() }, picture, None)
            }
            Err(Trouble::Refused(text)) => (Answer { text, ..Answer::default() }, vec![], None),
            Err(Trouble::Lost(why)) => {
                (Answer { text: why.clone(), ..Answer::default() }, vec![], Some(why))
            }
        };
        send(&answer, &picture).map_err(|error| error.to_string())?;
        if let Some(why) = lost {
            return Err(why);
        }
    }
}

fn send(answer: &Answer, picture: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, answer)?;
    out.write_all(b"\n")?;
    out.write_all(picture)?;
    out.flush()
}

struct Screen {
    display: Display,
    clipboard: Clipboard,
    /// What was last told of it.
    seen: Option<Frame>,
}

/// What is told, and a picture, if one is.
type Told = (String, Vec<u8>);

impl Screen {
    fn open() -> Result<Self, Trouble> {
        let display = Display::open()?;
        let clipboard = Clipboard::new(&display)?;
        Ok(Self { display, clipboard, seen: None })
    }

    /// Serves the clipboard until there is an order.
    fn idle(&mut self) -> Result<(), Trouble> {
        loop {
            self.events()?;
            if self.display.wait(io::stdin())? {
                return Ok(());
            }
        }
    }

    fn events(&mut self) -> Result<(), Trouble> {
        while let Some(event) = self.display.event()? {
            self.clipboard.serve(&self.display, &event)?;
        }
        Ok(())
    }

    fn answer(&mut self, request: &Request) -> Result<Told, Trouble> {
        match request {
            Request::Whole => {
                let frame = self.display.grab()?;
                let picture = frame.whole().map_err(Trouble::Refused)?;
                self.display.reuse(frame);
                Ok((String::new(), picture))
            }
            Request::Managed => {
                self.display.paint()?;
                self.display.managed(self.clipboard.window)?;
                Ok((String::new(), vec![]))
            }
            Request::Resize { width, height } => {
                if self.display.resize(*width, *height)? {
                    // Programs draw all they have anew.
                    let begun = self.display.grab()?;
                    self.watch(begun, Patience::AFTER_INPUT, NOTHING)?;
                }
                Ok((String::new(), vec![]))
            }
            Request::Do { order, show } => self.perform(order, *show),
        }
    }

    fn perform(&mut self, order: &Order, show: Show) -> Result<Told, Trouble> {
        self.events()?;
        let before = self.display.grab()?;
        let (mut text, patience) = self.begin(order, before.size)?;
        let Some(patience) = patience else { return self.tell(order, text, show, before) };
        let (before, small) = match order {
            Order::Wait { .. } => (self.seen.take().unwrap_or(before), CURSOR),
            _ => (before, NOTHING),
        };
        let (frame, seen) = self.watch(before, patience, small)?;
        text.push_str(match seen {
            Seen::Unchanged => "; the screen did not change",
            Seen::Changed => "; the screen changed",
            Seen::Restless => "; the screen keeps changing",
        });
        self.tell(order, text, show, frame)
    }

    /// Does what is to be done; what was, and how long it is waited for what comes of it.
    fn begin(
        &mut self,
        order: &Order,
        screen: Size,
    ) -> Result<(String, Option<Patience>), Trouble> {
        let on_screen = |at| screen.on_screen(at).map_err(Trouble::Refused);
        let display = &self.display;
        let go = |at: &Option<_>| at.map_or(Ok(()), |at| display.point(on_screen(at)?));
        let mut done = order.title();
        let patience = match order {
            Order::Look { .. } | Order::Windows => return Ok((String::new(), None)),
            Order::Clipboard => {
                let copied = self.clipboard.paste(display)?;
                let text = copied
                    .map_or("there is no text on it".into(), |text| format!("it holds:\n{text}"));
                return Ok((text, None));
            }
            Order::Copy { text } => {
                self.clipboard.copy(display, text)?;
                return Ok((done, None));
            }
            Order::Wait { seconds } => {
                done = "waited".into();
                Patience::of(*seconds)
            }
            Order::Move { to } => {
                display.point(on_screen(*to)?)?;
                Patience::AFTER_INPUT
            }
            Order::Click { at, button, times } => {
                go(at)?;
                display.click(*button as u8, (*times).into())?;
                Patience::AFTER_INPUT
            }
            Order::Drag { from, to } => {
                display.drag(on_screen(*from)?, on_screen(*to)?)?;
                Patience::AFTER_INPUT
            }
            Order::Scroll { at, direction, amount } => {
                go(at)?;
                display.scroll(*direction, *amount)?;
                Patience::AFTER_INPUT
            }
            Order::Type { text } => {
                self.type_text(text)?;
                Patience::AFTER_INPUT
            }
            Order::Key { chord } => {
                display.chord(chord)?;
                Patience::AFTER_INPUT
            }
            Order::Activate { window } => {
                done = format!("activated {:?}", display.activate(window)?);
                Patience::AFTER_INPUT
            }
        };
        Ok((done, Some(patience)))
    }

    fn type_text(&mut self, text: &str) -> Result<(), Trouble> {
        let mut batches = self.display.batches(text)?.into_iter().peekable();
        while let Some(batch) = batches.next() {
            let before = self.display.grab()?;
            self.display.strike(&batch)?;
            if batches.peek().is_some() {
                self.digest(before)?;
            }
        }
        Ok(())
    }

    /// Waits until who has the keyboard has taken what was typed since the screen looked like this.
    fn digest(&mut self, before: Frame) -> Result<(), Trouble> {
        let Some(window) = self.display.ping()? else {
            return self.watch(before, Patience::AFTER_KEYS, NOTHING).map(drop);
        };
        self.display.reuse(before);
        self.pong(window)?;
        self.display.hear(EventMask::NO_EVENT)
    }

    /// Waits for the answer of this window, but not for ever.
    fn pong(&mut self, window: Window) -> Result<(), Trouble> {
        let until = Instant::now() + Patience::AFTER_KEYS.most;
        loop {
            while let Some(event) = self.display.event()? {
                if self.display.is_pong(&event, window) {
                    return Ok(());
                }
                self.clipboard.serve(&self.display, &event)?;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.display.pause(left)?;
        }
    }

    /// Looks until the screen has changed and is still, or it has taken too long.
    fn watch(
        &mut self,
        before: Frame,
        patience: Patience,
        small: Size,
    ) -> Result<(Frame, Seen), Trouble> {
        let began = Instant::now();
        let (mut last, mut changed) = (before, None);
        loop {
            let frame = self.display.grab()?;
            let now = began.elapsed();
            let is_change = is_change(&last, &frame, small);
            if is_change {
                changed = Some(now);
            }
            if let Some(seen) = patience.over(now, changed) {
                return Ok((frame, seen));
            }
            self.display.reuse(if is_change { mem::replace(&mut last, frame) } else { frame });
            self.events()?;
            self.display.pause(LOOK)?;
        }
    }

    fn tell(
        &mut self,
        order: &Order,
        mut text: String,
        show: Show,
        frame: Frame,
    ) -> Result<Told, Trouble> {
        let mut picture = vec![];
        match (order, show) {
            (Order::Clipboard | Order::Copy { .. }, _) => {}
            (Order::Windows, _) | (_, Show::Words) => {
                add(&mut text, &self.display.describe(frame.size)?);
            }
            (_, Show::Picture) => {
                let area = match order {
                    Order::Look { region: Some((a, b)) } => frame.size.between(*a, *b),
                    _ => Ok(frame.size.all()),
                };
                let area = area.map_err(Trouble::Refused)?;
                picture = frame.shown(area).map_err(Trouble::Refused)?;
                if let Some(title) = self.display.active_title()? {
                    add(&mut text, &format!("active window: {title:?}"));
                }
            }
        }
        if let Some(old) = self.seen.replace(frame) {
            self.display.reuse(old);
        }
        Ok((text, picture))
    }
}

/// As large as no change.
const NOTHING: Size = Size { width: 0, height: 0 };

fn is_change(before: &Frame, now: &Frame, small: Size) -> bool {
    let is_large = |size: Size| size.width > small.width || size.height > small.height;
    before.difference(now).is_some_and(|area| is_large(area.size))
}

fn add(text: &mut String, more: &str) {
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(more);
}

impl Trouble {
    fn text(self) -> String {
        match self {
            Self::Refused(text) | Self::Lost(text) => text,
        }
    }
}
