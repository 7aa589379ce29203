//! What kind of answer a model gave, and how long answers of no use are borne.
//!
//! Not here: calls that lead nowhere ([`super::stuck`]).

use protocol::Verdict;
use serde::{Deserialize, Serialize};
use types::{ModelTurn, Reason, Stop};

/// The most answers of one kind of no use, until an answer is of use; the last ends the job.
const MOST: u32 = 3;

/// The most times in a row that a model may refuse: providers' filters err, but seldom twice.
const MOST_REFUSALS: u32 = 2;

/// What kind of answer it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It calls tools.
    Calls,
    /// It only talks.
    Prose,
    /// It was cut off, at so many tokens, before anything could be done with it.
    Cut(u32),
    /// It cannot be read; why, for the model.
    Flawed(String),
    /// It is none; what was said about it.
    Refused(String),
}

/// How often which kind of answer of no use came since one that was of use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Patience {
    prose: u32,
    unreadable: u32,
    refused: u32,
}

impl Kind {
    pub(super) fn of(turn: &ModelTurn, stop: &Stop, most_tokens: u32) -> Self {
        match (stop, &turn.flaw) {
            (Stop::Refused { why }, _) => Self::Refused(why.clone()),
            (_, Some(flaw)) => Self::Flawed(flaw.clone()),
            _ if !turn.calls.is_empty() => Self::Calls,
            (Stop::Length, None) => Self::Cut(most_tokens),
            (Stop::Done, None) => Self::Prose,
        }
    }
}

impl Patience {
    /// What is left of it after an answer.
    ///
    /// # Errors
    /// How the job ends when nothing is left.
    pub(super) fn after(mut self, kind: &Kind) -> Result<Self, Verdict> {
        let (count, most, reason, why) = match kind {
            Kind::Calls => return Ok(Self::default()),
            Kind::Prose => {
                let why = "the model talked, called no tool and did not finish".into();
                (&mut self.prose, MOST, Reason::Stuck, why)
            }
            Kind::Cut(_) => {
                let why = "the model's answers were too long and cut off".into();
                (&mut self.unreadable, MOST, Reason::ModelConfused, why)
            }
            Kind::Flawed(flaw) => {
                let why = format!("the model's answers could not be read, the last one: {flaw}");
                (&mut self.unreadable, MOST, Reason::ModelConfused, why)
            }
            Kind::Refused(said) => {
                let why = format!("the model refused: {said}");
                (&mut self.refused, MOST_REFUSALS, Reason::ModelRefused, why)
            }
        };
        *count += 1;
        let times = *count;
        if times < most {
            return Ok(self);
        }
        Err(Verdict::GaveUp { reason, error: format!("{why} ({times} times)") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kinds() -> impl Strategy<Value = Vec<Kind>> {
        let kind = prop_oneof![
            Just(Kind::Calls),
            Just(Kind::Prose),
            Just(Kind::Cut(9)),
            Just(Kind::Flawed("no JSON".into())),
            Just(Kind::Refused("no".into())),
        ];
        prop::collection::vec(kind, 0..40)
    }

    #[test]
    fn what_counts_is_what_can_be_done_with_an_answer() {
        let call = types::ToolCall {
            id: "1".into(),
            name: "shell".into(),
            arguments: serde_json::json!({}),
            flaw: None,
        };
        let talk = ModelTurn { text: "well".into(), ..ModelTurn::default() };
        let calls = ModelTurn { calls: vec![call], ..talk.clone() };
        let flawed = ModelTurn { flaw: Some("?".into()), ..calls.clone() };
        assert_eq!(Kind::of(&talk, &Stop::Done, 9), Kind::Prose);
        assert_eq!(Kind::of(&talk, &Stop::Length, 9), Kind::Cut(9));
        assert_eq!(Kind::of(&calls, &Stop::Done, 9), Kind::Calls);
        assert_eq!(Kind::of(&calls, &Stop::Length, 9), Kind::Calls);
        assert_eq!(Kind::of(&flawed, &Stop::Done, 9), Kind::Flawed("?".into()));
        let refused = Stop::Refused { why: "no".into() };
        assert_eq!(Kind::of(&calls, &refused, 9), Kind::Refused("no".into()));
    }

    proptest! {
        /// It ends with the third of a kind (the second refusal), and calls make up for all.
        #[test]
        fn patience_ends(kinds in kinds()) {
            let mut patience = Patience::default();
            let mut since: Vec<Kind> = Vec::new();
            for kind in kinds {
                if kind == Kind::Calls {
                    since.clear();
                } else {
                    since.push(kind.clone());
                }
                let count = |wanted: fn(&Kind) -> bool| since.iter().filter(|k| wanted(k)).count();
                let over = count(|k| *k == Kind::Prose) == 3
                    || count(|k| matches!(k, Kind::Cut(_) | Kind::Flawed(_))) == 3
                    || count(|k| matches!(k, Kind::Refused(_))) == 2;
                match patience.after(&kind) {
                    Ok(left) => {
                        prop_assert!(!over, "{since:?}");
                        patience = left;
                    }
                    Err(_) => {
                        prop_assert!(over, "{since:?}");
                        break;
                    }
                }
            }
        }
    }
}
