//! Which reply is due. Everything is counted here, nothing is sent.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::scenario::{By, Rule, Scenario, When};
use super::{Fault, Reply, Seen, template};

/// How far the conversations with a scenario are.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// By conversation and rule; the scenario's own conversation is the last.
    rules: HashMap<(usize, usize), RuleCount>,
    cursors: HashMap<(usize, u64), Cursor>,
}

#[derive(Debug, Default)]
struct RuleCount {
    /// How often all but the count was so.
    matched: u32,
    given: u32,
}

#[derive(Debug, Default)]
struct Cursor {
    /// Which reply is due.
    at: usize,
    /// How often it was given.
    given: u32,
    /// How often it went wrong.
    failed: u32,
}

/// What is said now.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Due {
    pub(super) reply: Reply,
    pub(super) fault: Option<Fault>,
}

impl Progress {
    /// What is due to this request; none if the scenario has nothing more to say.
    pub(super) fn next(&mut self, scenario: &Scenario, seen: &Seen) -> Option<Due> {
        let talks = &scenario.conversations;
        let talk = talks.iter().position(|c| seen.task().contains(&c.matches));
        let own = talk.map(|at| (at, talks[at].rules.as_slice()));
        let common = (talks.len(), scenario.rules.as_slice());
        for (place, rules) in own.into_iter().chain([common]) {
            for (at, rule) in rules.iter().enumerate() {
                let count = self.rules.entry((place, at)).or_default();
                if let Some(due) = by_rule(rule, count, seen) {
                    return Some(due);
                }
            }
        }
        let place = talk.unwrap_or(talks.len());
        let replies = talk.map_or(&scenario.replies, |at| &talks[at].replies);
        self.by_list(scenario.by, place, replies, seen)
    }

    fn by_list(&mut self, by: By, place: usize, replies: &[Reply], seen: &Seen) -> Option<Due> {
        match by {
            By::All => from(self.cursors.entry((place, 0)).or_default(), replies, seen),
            By::Task => {
                let task = seen.task().lines().next().unwrap_or_default();
                from(self.cursors.entry((place, hash(task))).or_default(), replies, seen)
            }
            By::Turns => {
                let turns = seen.turns();
                let (at, given) = position(replies, turns)?;
                let kept = self.cursors.entry((place, turns as u64)).or_default();
                let due = from(&mut Cursor { at, given, failed: kept.failed }, replies, seen)?;
                kept.failed += u32::from(due.fault.is_some());
                Some(due)
            }
        }
    }
}

fn by_rule(rule: &Rule, count: &mut RuleCount, seen: &Seen) -> Option<Due> {
    let when = &rule.when;
    if !applies(when, seen) {
        return None;
    }
    count.matched += 1;
    let in_range = when.from.is_none_or(|from| count.matched >= from)
        && when.to.is_none_or(|to| count.matched <= to);
    if !in_range || rule.times.is_some_and(|times| count.given >= times) {
        return None;
    }
    count.given += 1;
    let fault = rule.reply.fault.as_ref();
    let fault = fault.filter(|f| rule.reply.is_only_fault() || count.given <= f.times);
    let reply = template::fill(&rule.reply, count.given, seen);
    Some(Due { reply, fault: fault.map(|f| f.fault.clone()) })
}

/// What is due, and the cursor moved on.
fn from(cursor: &mut Cursor, replies: &[Reply], seen: &Seen) -> Option<Due> {
    let mut reply = replies.get(cursor.at)?;
    if let Some(faulty) = &reply.fault
        && cursor.failed < faulty.times
    {
        cursor.failed += 1;
        let due = Due {
            reply: template::fill(reply, cursor.given + 1, seen),
            fault: Some(faulty.fault.clone()),
        };
        if faulty.fault.is_harmless() {
            given(cursor, reply);
        }
        return Some(due);
    }
    while reply.is_only_fault() {
        *cursor = Cursor { at: cursor.at + 1, ..Cursor::default() };
        reply = replies.get(cursor.at)?;
        if reply.fault.is_some() {
            return from(cursor, replies, seen);
        }
    }
    let due = Due { reply: template::fill(reply, cursor.given + 1, seen), fault: None };
    given(cursor, reply);
    Some(due)
}

fn given(cursor: &mut Cursor, reply: &Reply) {
    cursor.given += 1;
    if cursor.given >= reply.repeat.max(1) {
        *cursor = Cursor { at: cursor.at + 1, ..Cursor::default() };
    }
}

/// Which reply comes after so many turns, and how often it was given by then. What is nothing but a
/// fault makes no turn.
fn position(replies: &[Reply], turns: usize) -> Option<(usize, u32)> {
    let mut before = 0;
    for (at, reply) in replies.iter().enumerate() {
        let turns_of_it = if reply.is_only_fault() { 0 } else { reply.repeat.max(1) as usize };
        if reply.is_only_fault() && before == turns {
            return Some((at, 0));
        }
        if turns < before + turns_of_it {
            return Some((at, u32::try_from(turns - before).ok()?));
        }
        before += turns_of_it;
    }
    None
}

fn applies(when: &When, seen: &Seen) -> bool {
    let is =
        |wanted: &Option<String>, has: &dyn Fn(&str) -> bool| wanted.as_deref().is_none_or(has);
    when.provider.is_none_or(|provider| provider == seen.provider)
        && is(&when.key, &|key| key == seen.key)
        && is(&when.model, &|model| model == seen.model)
        && is(&when.task, &|text| seen.task().contains(text))
        && is(&when.offers, &|tool| seen.tools.iter().any(|t| t == tool))
        && when.analysis.is_none_or(|wanted| wanted == seen.is_analysis())
        && when.summary.is_none_or(|wanted| wanted == seen.is_summary())
        && is(&when.last_contains, &|text| seen.last().contains(text))
        && is(&when.contains, &|text| seen.contains(text))
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
