//! What can be asked of the screen's helper, and what it answers: one JSON line each way, and after
//! an answer its picture.
//!
//! Points are those of the picture a model sees of the whole screen ([`super::screen`] scales large
//! screens down), so nobody has to know how large the screen really is.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A place on the picture of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Point {
    pub(crate) x: u32,
    pub(crate) y: u32,
}

/// A button of the mouse, by its number in X11.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Button {
    Left = 1,
    Middle = 2,
    Right = 3,
}

/// Where the wheel goes, by the number of its button in X11.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Direction {
    Up = 4,
    Down = 5,
    Left = 6,
    Right = 7,
}

/// What is done with the screen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    /// A look at all of it, or at a rectangle between two corners as large as may be.
    Look {
        region: Option<(Point, Point)>,
    },
    /// A look once it differs from the last look, and then is still; or when the time is over.
    Wait {
        seconds: u32,
    },
    /// The windows, in words.
    Windows,
    /// What was copied.
    Clipboard,
    /// The same as if somebody copied this.
    Copy {
        text: String,
    },
    Move {
        to: Point,
    },
    /// Where the pointer is, if no place is given.
    Click {
        at: Option<Point>,
        button: Button,
        times: u8,
    },
    Drag {
        from: Point,
        to: Point,
    },
    Scroll {
        at: Option<Point>,
        direction: Direction,
        amount: u32,
    },
    Type {
        text: String,
    },
    /// Keys pressed together, such as `ctrl+shift+t`.
    Key {
        chord: String,
    },
    /// Brings a window to the front, by its id or a part of its title.
    Activate {
        window: String,
    },
}

impl Order {
    /// Whether it is for somebody's hands, not only for eyes.
    pub(crate) fn is_input(&self) -> bool {
        !matches!(self, Self::Look { .. } | Self::Wait { .. } | Self::Windows | Self::Clipboard)
    }

    /// What it does, for people; what it is about, if that may be long, comes beside.
    pub(crate) fn title(&self) -> String {
        let at = |at: &Option<Point>| at.map(|at| format!(" {at}")).unwrap_or_default();
        match self {
            Self::Look { region: None } => "look".into(),
            Self::Look { region: Some((from, to)) } => format!("look at {from} to {to}"),
            Self::Wait { seconds } => format!("wait for a change, {seconds} s at most"),
            Self::Windows => "list windows".into(),
            Self::Clipboard => "read the clipboard".into(),
            Self::Copy { .. } => "set the clipboard".into(),
            Self::Move { to } => format!("move to {to}"),
            Self::Click { at: place, button, times } => {
                let times = match times {
                    1 => "",
                    2 => "double ",
                    _ => "triple ",
                };
                let button = match button {
                    Button::Left => "",
                    Button::Middle => "middle ",
                    Button::Right => "right ",
                };
                format!("{times}{button}click{}", at(place))
            }
            Self::Drag { from, to } => format!("drag {from} to {to}"),
            Self::Scroll { at: place, direction, amount } => {
                let way = format!("{direction:?}").to_lowercase();
                format!("scroll {way} {amount}{}", at(place))
            }
            Self::Type { text } => format!("type {} characters", text.chars().count()),
            Self::Key { chord } => format!("key {chord}"),
            Self::Activate { window } => format!("activate {window}"),
        }
    }

    /// What it is about, as far as its title does not say that.
    pub(crate) fn content(&self) -> Option<&str> {
        match self {
            Self::Type { text } | Self::Copy { text } => Some(text),
            _ => None,
        }
    }

    /// How long it takes at most, when all goes well.
    pub(super) fn takes(&self) -> Duration {
        match self {
            Self::Wait { seconds } => Duration::from_secs((*seconds).into()),
            Self::Type { text } => {
                let lent = text.chars().filter(|char| *char > '\u{ff}').count();
                LENDING * u32::try_from(lent).unwrap_or(u32::MAX)
            }
            _ => Duration::ZERO,
        }
    }
}

/// How long a character may take for which the keyboard has no key: a few of them are typed, then
/// that is waited for.
const LENDING: Duration = Duration::from_millis(300);

impl std::fmt::Display for Point {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{},{}", self.x, self.y)
    }
}

/// What is to be told of the screen after an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Show {
    /// What it looks like.
    Picture,
    /// Its windows, in words.
    Words,
}

/// A line to the helper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Request {
    /// The screen as it is, in full size.
    Whole,
    /// Nothing, until windows are managed.
    Managed,
    /// That it is this large, if the server can do that.
    Resize { width: u16, height: u16 },
    /// An order, and what is told after it.
    Do { order: Order, show: Show },
}

/// The line that answers it; so many bytes of a PNG follow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) ok: bool,
    pub(super) text: String,
    pub(super) picture: usize,
}

/// The longest line, in bytes: the longest text there is, as JSON, and room for the rest.
pub(super) const MOST_LINE_BYTES: usize = 6 * MOST_TEXT_BYTES + 4096;

/// The longest text that is typed, copied or read, in bytes.
pub(crate) const MOST_TEXT_BYTES: usize = 64 * 1024;

/// The largest picture, in bytes: of the largest screen, where nothing can be made smaller.
pub(super) const MOST_PICTURE_BYTES: usize = 64 * 1024 * 1024;
