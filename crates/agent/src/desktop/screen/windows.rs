//! The windows in words: for models that see no pictures, and to bring one to the front. Titles are
//! the programs' own, so they are cleaned and cut.

use std::fmt::Write as _;

use x11rb::properties::WmClass;
use x11rb::protocol::xproto::{
    AtomEnum, ClientMessageEvent, ConfigureWindowAux, ConnectionExt as _, EventMask, InputFocus,
    MapState, StackMode, Window,
};

use super::display::{Display, Trouble};
use super::picture::Size;

/// The most windows that are named.
const MOST: usize = 40;

/// The longest title, in characters.
const TITLE_CHARS: usize = 120;

/// One of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Entry {
    id: Window,
    title: String,
    class: String,
    /// Left, top, width, height on the screen.
    place: (i64, i64, i64, i64),
    hidden: bool,
}

impl Display {
    /// All windows, where the pointer is, and how large all is, in a few lines.
    pub(super) fn describe(&self, screen: Size) -> Result<String, Trouble> {
        let pointer = self.connection.query_pointer(self.root)?.reply()?;
        let active = self.active()?;
        let shown = screen.shown();
        let (x, y) = screen.on_picture(pointer.root_x.into(), pointer.root_y.into());
        let mut text = format!("screen {} x {}, pointer at {x},{y}", shown.width, shown.height);
        let (windows, more) = self.entries()?;
        if windows.is_empty() {
            text.push_str("; no windows");
        }
        for entry in &windows {
            text.push('\n');
            text.push_str(&entry.line(screen, active == Some(entry.id)));
        }
        if more > 0 {
            let _ = write!(text, "\n[and {more} more windows]");
        }
        Ok(text)
    }

    /// The title of the active window, for one line.
    pub(super) fn active_title(&self) -> Result<Option<String>, Trouble> {
        let Some(active) = self.active()? else { return Ok(None) };
        // It may be gone by now.
        Ok(self.title(active).ok().filter(|title| !title.is_empty()))
    }

    /// Brings a window to the front; its title.
    pub(super) fn activate(&self, wanted: &str) -> Result<String, Trouble> {
        let (windows, _) = self.entries()?;
        let entry = find(&windows, wanted).map_err(Trouble::Refused)?;
        if self.list(self.atoms._NET_CLIENT_LIST, self.root)?.contains(&entry.id) {
            // 2: it is a person's wish, which a window manager follows.
            let data = [2, x11rb::CURRENT_TIME, 0, 0, 0];
            let message =
                ClientMessageEvent::new(32, entry.id, self.atoms._NET_ACTIVE_WINDOW, data);
            let mask = EventMask::SUBSTRUCTURE_REDIRECT | EventMask::SUBSTRUCTURE_NOTIFY;
            self.connection.send_event(false, self.root, mask, message)?;
        } else {
            let front = ConfigureWindowAux::new().stack_mode(StackMode::ABOVE);
            self.connection.configure_window(entry.id, &front)?.check()?;
            let (back, now) = (InputFocus::POINTER_ROOT, x11rb::CURRENT_TIME);
            self.connection.set_input_focus(back, entry.id, now)?.check()?;
        }
        self.settle()?;
        Ok(entry.title.clone())
    }

    fn active(&self) -> Result<Option<Window>, Trouble> {
        let active = self.list(self.atoms._NET_ACTIVE_WINDOW, self.root)?;
        Ok(active.first().copied().filter(|window| *window != x11rb::NONE))
    }

    /// Those that a window manager looks after, or else those that are to be seen; and how many more
    /// there are.
    fn entries(&self) -> Result<(Vec<Entry>, usize), Trouble> {
        let managed = self.list(self.atoms._NET_CLIENT_LIST, self.root)?;
        let all = match managed.is_empty() {
            true => self.connection.query_tree(self.root)?.reply()?.children,
            false => managed,
        };
        let mut entries = vec![];
        for window in all.iter().take(4 * MOST) {
            match self.entry(*window) {
                Ok(entry) => entries.extend(entry),
                // It was closed meanwhile.
                Err(Trouble::Refused(_)) => {}
                Err(lost) => return Err(lost),
            }
        }
        let more = entries.len().saturating_sub(MOST);
        entries.truncate(MOST);
        Ok((entries, more))
    }

    /// A window that is more than a helper of a program.
    fn entry(&self, id: Window) -> Result<Option<Entry>, Trouble> {
        let attributes = self.connection.get_window_attributes(id)?;
        let geometry = self.connection.get_geometry(id)?;
        let place = self.connection.translate_coordinates(id, self.root, 0, 0)?;
        let (attributes, geometry, place) =
            (attributes.reply()?, geometry.reply()?, place.reply()?);
        let title = self.title(id)?;
        let hidden = attributes.map_state != MapState::VIEWABLE
            || self.list(self.atoms._NET_WM_STATE, id)?.contains(&self.atoms._NET_WM_STATE_HIDDEN);
        let class = WmClass::get(&self.connection, id)?.reply()?;
        let class = class.map(|class| clean(class.class())).unwrap_or_default();
        let is_one = !(attributes.override_redirect || title.is_empty() && class.is_empty());
        let (x, y) = (place.dst_x.into(), place.dst_y.into());
        let place = (x, y, geometry.width.into(), geometry.height.into());
        Ok(is_one.then_some(Entry { id, title, class, place, hidden }))
    }

    fn title(&self, window: Window) -> Result<String, Trouble> {
        for name in [self.atoms._NET_WM_NAME, AtomEnum::WM_NAME.into()] {
            let most = u32::try_from(TITLE_CHARS).unwrap_or(u32::MAX);
            let title =
                self.connection.get_property(false, window, name, AtomEnum::ANY, 0, most)?;
            let title = clean(&title.reply()?.value);
            if !title.is_empty() {
                return Ok(title);
            }
        }
        Ok(String::new())
    }

    /// Windows, or atoms, that a property of a window lists.
    pub(super) fn list(&self, name: u32, window: Window) -> Result<Vec<u32>, Trouble> {
        let most = 1024;
        let list =
            self.connection.get_property(false, window, name, AtomEnum::ANY, 0, most)?.reply()?;
        Ok(list.value32().map(Iterator::collect).unwrap_or_default())
    }
}

impl Entry {
    fn line(&self, screen: Size, active: bool) -> String {
        let Self { id, title, class, place, hidden } = self;
        let (x, y) = screen.on_picture(place.0, place.1);
        let (width, height) = screen.on_picture(place.2, place.3);
        let state = match (active, hidden) {
            (_, true) => ", minimised",
            (true, false) => ", active",
            (false, false) => "",
        };
        format!("0x{id:x} {title:?} ({class}) at {x},{y}, {width} x {height}{state}")
    }
}

/// The window of an id, or the only one with such a title; one title may be just that.
fn find<'a>(windows: &'a [Entry], wanted: &str) -> Result<&'a Entry, String> {
    let wanted = wanted.trim();
    let id = wanted.strip_prefix("0x").and_then(|id| Window::from_str_radix(id, 16).ok());
    if let Some(entry) = windows.iter().find(|entry| Some(entry.id) == id) {
        return Ok(entry);
    }
    let small = wanted.to_lowercase();
    let has = |entry: &&Entry| {
        entry.title.to_lowercase().contains(&small) || entry.class.to_lowercase() == small
    };
    let found: Vec<_> = windows.iter().filter(has).collect();
    let exact = found.iter().find(|entry| entry.title == wanted);
    match (exact, &found[..]) {
        (Some(entry), _) | (None, [entry]) => Ok(entry),
        (None, []) => Err(format!("no window is called {wanted:?}; there are: {}", names(windows))),
        (None, many) => {
            let many: Vec<Entry> = many.iter().map(|entry| (*entry).clone()).collect();
            Err(format!("several windows are called that, give an id: {}", names(&many)))
        }
    }
}

fn names(windows: &[Entry]) -> String {
    let name = |entry: &Entry| format!("0x{:x} {:?}", entry.id, entry.title);
    let names: Vec<_> = windows.iter().map(name).collect();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

/// On one line, cut, without what could change how a terminal or a reader sees it.
fn clean(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let chars = text.chars().map(|char| if char.is_control() { ' ' } else { char });
    let hidden = |char: &char| matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    let cleaned: String = chars.filter(|char| !hidden(char)).take(TITLE_CHARS).collect();
    cleaned.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: Window, title: &str) -> Entry {
        Entry { id, title: title.into(), class: "XTerm".into(), ..Entry::default() }
    }

    #[test]
    fn a_window_is_found_by_id_or_title_and_never_guessed() {
        let windows = [entry(0x20, "shell"), entry(0x30, "shell: log"), entry(0x40, "Editor")];
        let found = |wanted: &str| find(&windows, wanted).map(|entry| entry.id);
        assert_eq!(found("0x30"), Ok(0x30));
        assert_eq!(found("edit"), Ok(0x40));
        assert_eq!(found("shell"), Ok(0x20), "it is called just that");
        assert!(found("she").unwrap_err().contains("0x20 \"shell\", 0x30"));
        assert!(found("none").unwrap_err().contains("there are: 0x20"));
        assert!(find(&[], "x").unwrap_err().ends_with("there are: none"));
    }

    #[test]
    fn titles_are_plain_and_short() {
        assert_eq!(clean(b" a\n\x1b[31mb\xff "), "a  [31mb\u{fffd}");
        assert_eq!(clean("x\u{202e}y\u{200b}".as_bytes()), "xy");
        assert_eq!(clean(&[b'x'; 500]).len(), TITLE_CHARS);
    }

    #[test]
    fn a_line_says_where_it_is_on_the_picture() {
        let place = (100, 50, 800, 600);
        let entry = Entry { place, hidden: false, ..entry(0x20, "a \"b\"") };
        let plain = Size { width: 1280, height: 800 };
        let line = r#"0x20 "a \"b\"" (XTerm) at 100,50, 800 x 600, active"#;
        assert_eq!(entry.line(plain, true), line);
        let large = Size { width: 2560, height: 1600 };
        assert!(entry.line(large, false).ends_with("at 50,25, 400 x 300"));
    }
}
