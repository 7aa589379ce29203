//! Whether an agent goes in circles, judged by its last turns.
//!
//! A circle is answered by one nudge when it closes, and by the end when it goes on. Progress, a
//! turn that does not belong to it, breaks it; after enough progress a nudge may be given again.
//!
//! Not here: turns without any call ([`super::manners`]).

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::{Deserialize, Serialize};
use types::{Part, ToolCall, ToolResult};

use crate::tools::DESKTOP;

/// The longest round, in turns.
const LONGEST_ROUND: usize = 4;

/// Turns that are remembered: more than the longest circle has when it ends the job.
const WINDOW: usize = 5 * LONGEST_ROUND + 4;

/// Laps after which a circle is pointed out, and after which it ends the job.
const NUDGE_LAPS: usize = 3;
const STOP_LAPS: usize = 5;

/// The tool that looks at what goes on in the background. To wait is no circle.
const WAIT: &str = "process";

/// The action of the desktop that waits for a change.
const DESKTOP_WAIT: &str = "wait";

/// A long output names the file where all of it is, which has the step's number after this; it is
/// the same output nevertheless.
const KEPT: &str = ".cagent/output/";

/// What the end of a background process is told with; its number follows, another one each time.
const BEGUN: [&str; 2] = ["process ", "[background process "];

/// The last turns. It is part of every checkpoint, so it holds no more than their hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Trail {
    seen: VecDeque<Seen>,
    /// Circles that were pointed out and not left behind for good.
    nudged: Vec<Circle>,
    /// Turns since the last circle.
    calm: usize,
}

/// A turn, as far as circles are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seen {
    calls: u64,
    results: u64,
    error: Option<u64>,
}

/// A kind of circle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Circle {
    /// The same calls with the same results.
    Repeat,
    /// So many turns, one after the other and then again.
    Round(usize),
    /// The same error, whatever is called.
    Error,
}

/// What is to be done about a circle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Concern {
    Nudge(Circle),
    Stop(Circle),
}

impl Seen {
    /// None for a turn that only waits.
    pub(super) fn new(calls: &[ToolCall], results: &[ToolResult]) -> Option<Self> {
        let failed = results.iter().any(|result| result.is_error);
        if !failed && !calls.is_empty() && calls.iter().all(waits) {
            return None;
        }
        let mut asked = DefaultHasher::new();
        for call in calls {
            (&call.name, call.arguments.to_string()).hash(&mut asked);
        }
        let mut shown = DefaultHasher::new();
        for result in results {
            hash_parts(&result.parts, &mut shown);
        }
        // Where something succeeded beside it, there was progress.
        let error =
            results.iter().all(|result| result.is_error).then_some(results.last()).flatten();
        let error = error.filter(|error| says_why(&error.parts)).map(|error| {
            let mut hasher = DefaultHasher::new();
            hash_parts(&error.parts, &mut hasher);
            hasher.finish()
        });
        Some(Self { calls: asked.finish(), results: shown.finish(), error })
    }

    fn same(self, other: Self) -> bool {
        (self.calls, self.results) == (other.calls, other.results)
    }
}

impl Trail {
    /// Takes the next turn into account.
    pub(super) fn observe(&mut self, turn: Option<Seen>) -> Option<Concern> {
        self.seen.push_front(turn?);
        self.seen.truncate(WINDOW);
        let closed = Circle::ALL.into_iter().find_map(|circle| {
            let turns = circle.turns(&self.seen);
            (turns >= circle.nudge_at()).then_some((circle, turns))
        });
        let Some((circle, turns)) = closed else {
            self.calm += 1;
            if self.calm >= WINDOW {
                self.nudged.clear();
            }
            return None;
        };
        self.calm = 0;
        let again = turns == circle.nudge_at() && self.nudged.contains(&circle);
        if turns >= circle.stop_at() || again {
            return Some(Concern::Stop(circle));
        }
        (turns == circle.nudge_at()).then(|| {
            self.nudged.push(circle);
            Concern::Nudge(circle)
        })
    }
}

impl Circle {
    const ALL: [Self; 5] =
        [Self::Repeat, Self::Round(2), Self::Round(3), Self::Round(LONGEST_ROUND), Self::Error];

    /// Turns of one lap.
    fn lap(self) -> usize {
        match self {
            Self::Repeat | Self::Error => 1,
            Self::Round(turns) => turns,
        }
    }

    /// How many of the last turns, the newest first, are in this circle.
    fn turns(self, seen: &VecDeque<Seen>) -> usize {
        let Some(newest) = seen.front() else { return 0 };
        match self {
            Self::Repeat => seen.iter().take_while(|turn| turn.same(*newest)).count(),
            Self::Error if newest.error.is_none() => 0,
            Self::Error => seen.iter().take_while(|turn| turn.error == newest.error).count(),
            // Nothing but the same is another circle.
            Self::Round(turns) if seen.iter().take(turns).all(|turn| turn.same(*newest)) => 0,
            Self::Round(turns) => {
                let later = seen.iter().zip(seen.iter().skip(turns));
                turns + later.take_while(|(turn, before)| turn.same(**before)).count()
            }
        }
    }

    /// Turns after which it is pointed out.
    fn nudge_at(self) -> usize {
        NUDGE_LAPS * self.lap()
    }

    /// Turns after which it ends the job.
    fn stop_at(self) -> usize {
        STOP_LAPS * self.lap()
    }
}

fn waits(call: &ToolCall) -> bool {
    let action = || call.arguments["action"].as_str();
    call.name == WAIT || call.name == DESKTOP && action() == Some(DESKTOP_WAIT)
}

/// Whether an error says more than that there was one: many a search fails without a word, each for
/// another reason.
fn says_why(parts: &[Part]) -> bool {
    parts.iter().any(|part| match part {
        Part::Text { text } => text.trim_end().contains('\n') || !text.starts_with("exit code"),
        Part::Image { .. } => true,
    })
}

fn hash_parts(parts: &[Part], hasher: &mut impl Hasher) {
    for part in parts {
        match part {
            Part::Text { text } => {
                for piece in numberless(text).split(KEPT) {
                    piece.trim_start_matches(|c: char| c.is_ascii_digit()).hash(hasher);
                }
            }
            Part::Image { base64, .. } => base64.hash(hasher),
        }
    }
}

/// How a background process ended, without its number.
fn numberless(text: &str) -> &str {
    let told = BEGUN.iter().find_map(|begin| text.strip_prefix(begin));
    let told = told.map(|told| told.trim_start_matches(|c: char| c.is_ascii_digit()));
    told.filter(|told| told.contains(" has ended")).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::Concern::{Nudge, Stop};
    use super::*;
    use proptest::prelude::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn turn(calls: u64, results: u64) -> Seen {
        Seen { calls, results, error: None }
    }

    /// What comes of each turn.
    fn walk(turns: impl IntoIterator<Item = Seen>) -> Vec<Option<Concern>> {
        let mut trail = Trail::default();
        turns.into_iter().map(|seen| trail.observe(Some(seen))).collect()
    }

    fn concerns(turns: impl IntoIterator<Item = Seen>) -> Vec<(usize, Concern)> {
        let concern = |(turn, concern): (usize, Option<Concern>)| Some((turn + 1, concern?));
        walk(turns).into_iter().enumerate().filter_map(concern).collect()
    }

    #[test]
    fn a_call_that_changes_nothing_is_pointed_out_once_and_then_the_end() {
        let found = concerns([turn(1, 1); 5]);
        assert_eq!(found, [(3, Nudge(Circle::Repeat)), (5, Stop(Circle::Repeat))]);
    }

    #[test]
    fn two_turns_in_turns_are_a_circle() {
        let found = concerns((0..10).map(|i| turn(i % 2, i % 2)));
        assert_eq!(found, [(6, Nudge(Circle::Round(2))), (10, Stop(Circle::Round(2)))]);
    }

    #[test]
    fn rounds_of_three_and_four_are_circles_too() {
        for turns in 3..=LONGEST_ROUND {
            let round = Circle::Round(turns);
            let found = concerns((0..5 * turns as u64).map(|i| turn(i % turns as u64, 0)));
            assert_eq!(found, [(3 * turns, Nudge(round)), (5 * turns, Stop(round))]);
        }
    }

    #[test]
    fn an_error_that_stays_whatever_is_called_is_a_circle() {
        let found = concerns((0..5).map(|i| Seen { error: Some(7), ..turn(i, i) }));
        assert_eq!(found, [(3, Nudge(Circle::Error)), (5, Stop(Circle::Error))]);
    }

    #[test]
    fn a_second_circle_soon_after_the_first_is_not_pointed_out_again() {
        let [a, b] = [turn(1, 1), turn(2, 2)];
        let found = concerns([a, a, a, b, a, a, a]);
        assert_eq!(found, [(3, Nudge(Circle::Repeat)), (7, Stop(Circle::Repeat))]);
    }

    #[test]
    fn after_enough_progress_a_circle_is_pointed_out_again() {
        let between = (10..10 + WINDOW as u64).map(|i| turn(i, i));
        let found = concerns([turn(1, 1); 3].into_iter().chain(between).chain([turn(1, 1); 3]));
        let again = WINDOW + 6;
        assert_eq!(found, [(3, Nudge(Circle::Repeat)), (again, Nudge(Circle::Repeat))]);
    }

    #[test]
    fn the_same_command_with_other_results_is_progress() {
        assert_eq!(concerns((0..20).map(|i| turn(1, i))), []);
    }

    #[test]
    fn what_is_compared_is_what_was_called_and_shown() {
        let call = |name: &str, command: &str| ToolCall {
            id: another_id(),
            name: name.into(),
            arguments: serde_json::json!({ "command": command }),
            flaw: None,
        };
        let result = |text: &str, is_error| ToolResult {
            call: another_id(),
            name: "shell".into(),
            parts: vec![Part::text(text)],
            is_error,
        };
        let of = |command: &str, text: &str, is_error| {
            Seen::new(&[call("shell", command)], &[result(text, is_error)]).unwrap()
        };
        assert_eq!(of("ls", "a", false), of("ls", "a", false), "ids do not matter");
        assert!(!of("ls", "a", false).same(of("ls -l", "a", false)));
        assert!(!of("ls", "a", false).same(of("ls", "b", false)));
        let long = |step| format!("x [all of it is in /workspace/.cagent/output/{step}.txt]");
        assert!(of("ls", &long(3), false).same(of("ls", &long(12), false)));
        let ended = |id| format!("process {id} has ended with exit code 1; new output:\nin use");
        assert!(of("serve", &ended(3), false).same(of("serve", &ended(12), false)));
        let told = |id| format!("[background process {id} (serve) has ended with exit code 1; …]");
        assert!(of("curl", &told(3), false).same(of("curl", &told(12), false)));
        let runs = |id| format!("process {id} is running, no new output");
        assert!(
            !of("work", &runs(3), false).same(of("work", &runs(12), false)),
            "there is one more"
        );
        assert_eq!(of("ls", "a", true).error, of("cat", "a", true).error);
        assert_eq!(of("ls", "a", false).error, None);
        let silent = of("grep -q x f", "exit code 1, no output", true);
        assert_eq!(silent.error, None, "it does not say why");
        let calls = [call("shell", "a"), call("shell", "b")];
        let half = Seen::new(&calls, &[result("wrote it", false), result("no", true)]);
        assert_eq!(half.unwrap().error, None, "something was done");
        assert_eq!(Seen::new(&[call("process", "1")], &[result("is running", false)]), None);
        let on_desktop = |action: &str| {
            let call = ToolCall {
                arguments: serde_json::json!({ "action": action }),
                ..call(DESKTOP, "")
            };
            Seen::new(&[call], &[result("the screen did not change", false)])
        };
        assert_eq!(on_desktop("wait"), None);
        assert!(on_desktop("screenshot").is_some(), "who only looks is told to wait");
    }

    fn another_id() -> String {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed).to_string()
    }

    fn turns(most: usize) -> impl Strategy<Value = Vec<Seen>> {
        let turn = (0..3u64, 0..2u64, prop::option::of(0..2u64));
        let turn = turn.prop_map(|(calls, results, error)| Seen { calls, results, error });
        prop::collection::vec(turn, 0..most)
    }

    proptest! {
        /// Whoever goes in a circle of a few turns is told, and stopped soon.
        #[test]
        fn circles_end(before in turns(60), lap in turns(LONGEST_ROUND + 1)) {
            prop_assume!(!lap.is_empty());
            let found = walk(before.into_iter().chain(lap.into_iter().cycle().take(WINDOW)));
            let stops = |concern: &Option<Concern>| matches!(concern, Some(Stop(_)));
            prop_assert!(found.iter().any(stops), "{found:?}");
        }

        /// Nobody is stopped who was not told before.
        #[test]
        fn a_nudge_comes_first(turns in turns(60)) {
            let found: Vec<Concern> = walk(turns).into_iter().flatten().collect();
            for (at, concern) in found.iter().enumerate() {
                if let Stop(_) = concern {
                    prop_assert!(found[..at].iter().any(|c| matches!(c, Nudge(_))), "{found:?}");
                }
            }
        }

        /// A turn that never was is progress: nothing is said about it.
        #[test]
        fn progress_breaks_every_circle(turns in turns(60)) {
            let mut trail = Trail::default();
            for turn in turns {
                trail.observe(Some(turn));
            }
            prop_assert_eq!(trail.observe(Some(turn(99, 99))), None);
        }

        /// Its checkpoint stays small.
        #[test]
        fn a_trail_is_bounded(turns in turns(60)) {
            let mut trail = Trail::default();
            for turn in turns {
                trail.observe(Some(Seen { calls: u64::MAX - turn.calls, ..turn }));
            }
            prop_assert!(serde_json::to_string(&trail).unwrap().len() < 4000);
        }
    }
}
