//! The desktop, as a model sees and uses it: what it asks for, and what it is shown of what came of
//! that.
//!
//! Not here: how that is done ([`crate::desktop`]).

use protocol::ReportKind;
use serde::Deserialize;
use types::{NoticeLevel, Part, StepKind};

use super::file::picture;
use super::run::{Call, how, title};
use super::{Done, Toolbox};
use crate::desktop::{Button, Direction, MOST_TEXT_BYTES, Order, Point, Show};
use crate::step::{Heading, Ran, StepError};

/// How long a program may take to show itself, in seconds.
const APPEAR: u32 = 5;

/// How long a change is waited for if nothing is said, and at most, in seconds.
const WAIT: u32 = 10;
const MOST_WAIT: u32 = 120;

/// How far the wheel goes if nothing is said, and at most.
const SCROLL: u32 = 5;
const MOST_SCROLL: u32 = 100;

/// What an action is called.
pub(super) const ACTIONS: &[&str] = &[
    "screenshot",
    "wait",
    "click",
    "double_click",
    "triple_click",
    "right_click",
    "middle_click",
    "move",
    "drag",
    "scroll",
    "type",
    "key",
    "launch",
    "windows",
    "activate",
    "read_clipboard",
    "set_clipboard",
];

/// Where the wheel goes.
pub(super) const DIRECTIONS: &[&str] = &["up", "down", "left", "right"];

/// Why input was not made.
const GIVEN_BACK: &str = "not done: a person had the desktop and has given it back just now. See what \
     they left, then decide.";

/// What came with a call.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Arguments {
    action: String,
    x: Option<u32>,
    y: Option<u32>,
    to_x: Option<u32>,
    to_y: Option<u32>,
    text: Option<String>,
    direction: Option<Direction>,
    amount: Option<u32>,
    seconds: Option<u32>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// Something with the screen.
    Order(Order),
    /// A program started that shows itself there.
    Launch { command: String },
}

/// What a call asks for.
///
/// # Errors
/// What is missing, for the model.
pub(super) fn read(arguments: Arguments) -> Result<Use, String> {
    let (at, to) = (arguments.at()?, arguments.to()?);
    let Arguments { action, text, direction, amount, seconds, .. } = arguments;
    let there = || at.ok_or_else(|| format!("`{action}` needs `x` and `y`"));
    let target = || to.ok_or_else(|| format!("`{action}` needs `to_x` and `to_y`"));
    let filled = || match text.clone() {
        None => Err(format!("`{action}` needs `text`")),
        Some(text) if text.is_empty() => Err("`text` is empty".into()),
        Some(text) if text.len() > MOST_TEXT_BYTES => {
            Err(format!("`text` is longer than {MOST_TEXT_BYTES} bytes; put it into a file"))
        }
        Some(text) => Ok(text),
    };
    let click = |button, times| Order::Click { at, button, times };
    Ok(Use::Order(match &*action {
        "screenshot" => Order::Look { region: at.zip(to) },
        "wait" => Order::Wait { seconds: seconds.unwrap_or(WAIT).clamp(1, MOST_WAIT) },
        "click" => click(Button::Left, 1),
        "double_click" => click(Button::Left, 2),
        "triple_click" => click(Button::Left, 3),
        "right_click" => click(Button::Right, 1),
        "middle_click" => click(Button::Middle, 1),
        "move" => Order::Move { to: there()? },
        "drag" => Order::Drag { from: there()?, to: target()? },
        "scroll" => {
            let direction = direction.unwrap_or(Direction::Down);
            let amount = amount.unwrap_or(SCROLL).clamp(1, MOST_SCROLL);
            Order::Scroll { at, direction, amount }
        }
        "type" => Order::Type { text: filled()? },
        "key" => Order::Key { chord: filled()? },
        "launch" => return Ok(Use::Launch { command: filled()? }),
        "windows" => Order::Windows,
        "activate" => Order::Activate { window: filled()? },
        "read_clipboard" => Order::Clipboard,
        _ => Order::Copy { text: filled()? },
    }))
}

impl Arguments {
    fn at(&self) -> Result<Option<Point>, String> {
        point(self.x, self.y).ok_or_else(|| "`x` and `y` belong together".into())
    }

    fn to(&self) -> Result<Option<Point>, String> {
        point(self.to_x, self.to_y).ok_or_else(|| "`to_x` and `to_y` belong together".into())
    }
}

fn point(x: Option<u32>, y: Option<u32>) -> Option<Option<Point>> {
    match (x, y) {
        (Some(x), Some(y)) => Some(Some(Point { x, y })),
        (None, None) => Some(None),
        _ => None,
    }
}

/// A text, and a picture if there is one.
type Shown = (Ran, Vec<Part>);

impl Toolbox {
    /// Does something on the desktop as a step.
    pub(super) async fn at_desktop(
        &self,
        call: Call<'_>,
        what: &Use,
        images: bool,
    ) -> Result<Done, StepError> {
        let heading = match what {
            Use::Order(order) => Heading::new(StepKind::Desktop, order.title(), order.content()),
            Use::Launch { command } => {
                let title = format!("launch {}", title(command));
                Heading::new(StepKind::Desktop, title, Some(command))
            }
        };
        if let Some(why) = self.desktop.absent() {
            return self.refuse(call, StepKind::Desktop, "desktop", why.into()).await;
        }
        let show = if images { Show::Picture } else { Show::Words };
        let work = async {
            tokio::select! {
                biased;
                () = call.cancel.cancelled() => Ok((Ran::cancelled(), None)),
                shown = self.use_desktop(call, what, show) => {
                    shown.map(|(ran, parts)| (ran, Some(parts)))
                }
            }
        };
        let (ran, shown) = self.runner.around(call.step, heading, call.cancel, work).await?;
        let parts = shown.flatten().unwrap_or_else(|| vec![Part::text(how(&ran, 0))]);
        Ok(Done::of(&ran, parts))
    }

    async fn use_desktop(
        &self,
        call: Call<'_>,
        what: &Use,
        show: Show,
    ) -> Result<Shown, StepError> {
        let is_input = match what {
            Use::Order(order) => order.is_input(),
            Use::Launch { .. } => true,
        };
        if is_input && self.wait_for_people(call.step).await {
            let (_, mut parts) = self.order(&Order::Look { region: None }, show).await;
            parts.insert(0, Part::text(GIVEN_BACK));
            return Ok((Ran::plain(false), parts));
        }
        match what {
            Use::Order(order) => Ok(self.order(order, show).await),
            Use::Launch { command } => self.launch(call, command, show).await,
        }
    }

    /// Waits while a person has the desktop; whether one had.
    async fn wait_for_people(&self, step: u32) -> bool {
        let taken = self.inbox.desktop_taken();
        if taken {
            let text = format!("step {step} waits: a person has the desktop");
            let level = NoticeLevel::Info;
            self.runner.outbox.push(ReportKind::Notice { level, text }).await;
            self.inbox.desktop_free().await;
            // Others see to that too, but perhaps later than the look that follows.
            self.desktop.resize().await;
        }
        taken
    }

    async fn order(&self, order: &Order, show: Show) -> Shown {
        match self.desktop.perform(order, show).await {
            Err(why) => (Ran::plain(false), vec![Part::text(why)]),
            Ok((text, png)) if png.is_empty() => (Ran::plain(true), vec![Part::text(text)]),
            Ok((text, png)) => {
                let seen = picture(&png).unwrap_or_else(Part::text);
                let text = Some(text).filter(|text| !text.is_empty()).map(Part::text);
                (Ran::plain(true), text.into_iter().chain([seen]).collect())
            }
        }
    }

    async fn launch(&self, call: Call<'_>, command: &str, show: Show) -> Result<Shown, StepError> {
        if let Some(why) = self.no_room() {
            return Ok((Ran::plain(false), vec![Part::text(why)]));
        }
        // What is there before it.
        let before = self.order(&Order::Windows, Show::Words).await;
        if before.0 != Ran::plain(true) {
            return Ok(before);
        }
        let begun = self.begin_process(call, command).await?;
        let (ran, mut parts) = self.order(&Order::Wait { seconds: APPEAR }, show).await;
        parts.insert(0, Part::text(begun));
        Ok((ran, parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn of(arguments: Value) -> Result<Use, String> {
        read(serde_json::from_value(arguments).unwrap())
    }

    fn order(arguments: Value) -> Order {
        match of(arguments).unwrap() {
            Use::Order(order) => order,
            launch @ Use::Launch { .. } => panic!("{launch:?}"),
        }
    }

    #[test]
    fn what_is_left_out_has_a_sense() {
        let at = Some(Point { x: 3, y: 4 });
        let (button, times) = (Button::Left, 2);
        let click = json!({"action": "double_click", "x": 3, "y": 4});
        assert_eq!(order(click), Order::Click { at, button, times });
        let scroll = json!({"action": "scroll"});
        let (direction, amount) = (Direction::Down, SCROLL);
        assert_eq!(order(scroll), Order::Scroll { at: None, direction, amount });
        assert_eq!(
            order(json!({"action": "screenshot", "x": 1, "y": 1})),
            Order::Look { region: None }
        );
        assert_eq!(
            order(json!({"action": "wait", "seconds": 999})),
            Order::Wait { seconds: MOST_WAIT }
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        for (arguments, wrong) in [
            (json!({"action": "move"}), "`move` needs `x` and `y`"),
            (json!({"action": "click", "x": 1}), "`x` and `y` belong together"),
            (json!({"action": "drag", "x": 1, "y": 1}), "`drag` needs `to_x` and `to_y`"),
            (json!({"action": "type"}), "`type` needs `text`"),
            (json!({"action": "launch", "text": ""}), "`text` is empty"),
        ] {
            assert_eq!(of(arguments).unwrap_err(), wrong);
        }
        let long = "x".repeat(MOST_TEXT_BYTES + 1);
        assert!(of(json!({"action": "type", "text": long})).unwrap_err().contains("longer"));
    }

    #[test]
    fn every_action_is_one() {
        for action in ACTIONS {
            let all = json!({"action": action, "x": 1, "y": 1, "to_x": 2, "to_y": 2, "text": "t"});
            let title = match of(all).unwrap() {
                Use::Order(order) => order.title(),
                Use::Launch { .. } => "launch".into(),
            };
            assert!(!title.is_empty());
            let falls_through = title == "set the clipboard";
            assert_eq!(falls_through, *action == "set_clipboard", "{action}");
        }
    }
}
