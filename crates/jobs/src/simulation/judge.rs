//! What must be true whatever happens.

use protocol::ReportKind;
use store::JobState;
use types::{EventKind, JobId, JobStatus, NoticeLevel, Reason, Speaker, StepOutcome, Stream};

use super::world::{Row, World};
use crate::lifecycle::rank;

/// Looks at a change of a job.
pub(super) fn change(world: &World, before: &JobState, row: &Row) {
    let (after, limits) = (&row.state, row.plan.limits);
    let (old, new) = (&before.session, &after.session);
    let ended = after.status.is_final();
    let spend = new.spend;
    let tokens = spend.input_tokens + spend.output_tokens;
    let last = row.events.len().checked_sub(1).map(|last| &row.events[last].event);
    let says = before.last_seq < after.last_seq;
    let rules = [
        ("a job went back", rank(after.status) >= rank(before.status)),
        ("something was said of a job that is over", !before.status.is_final() || !says),
        (
            "a job ended without its last event",
            !ended || matches!(last, Some(EventKind::Ended { .. })),
        ),
        ("what was acknowledged is not any more", ended || new.acked >= old.acked),
        ("a verdict was changed", ended || old.verdict.is_none() || new.verdict == old.verdict),
        ("an end was changed", before.ending.is_none() || after.ending == before.ending),
        (
            "a cancel did not decide",
            after.ending.as_ref().is_none_or(|ending| {
                !after.cancel_requested || ending.status == JobStatus::Cancelled
            }),
        ),
        ("too many steps", !row.plan.thinks || spend.steps <= limits.steps),
        ("too much output", new.stdout_bytes + new.stderr_bytes <= limits.output_bytes),
        ("too many calls of models", spend.model_calls <= limits.model_calls),
        ("too many tokens", tokens <= limits.model_tokens),
        (
            "a step is open though the work is over",
            new.open_step.is_none() || rank(after.status) < 3,
        ),
    ];
    for (what, _) in rules.iter().filter(|(_, kept)| !kept) {
        world.is_wrong(what);
    }
}

/// A step's work begins.
pub(super) fn begins(world: &World, job: JobId, step: u32) {
    let mut row = world.row(job);
    let recorded = row
        .events
        .iter()
        .any(|event| matches!(event.event, EventKind::StepStarted { step: of, .. } if of == step));
    let again = row.facts.ran.contains(&step);
    row.facts.ran.push(step);
    drop(row);
    if !recorded {
        world.is_wrong("a step began that was not recorded");
    }
    if again {
        world.is_wrong("a step was run twice");
    }
}

/// An agent knows that everything is durable.
pub(super) fn settled(world: &World, job: JobId) {
    let row = world.row(job);
    let durable = recorded(&row) == row.facts.reported;
    drop(row);
    if !durable {
        world.is_wrong("an agent was told that all is durable, and it was not");
    }
}

/// After a day.
pub(super) fn all(world: &World) {
    for (job, row) in &*world.rows.borrow() {
        for (what, _) in rules(row).iter().filter(|(_, kept)| !kept) {
            world.is_wrong(&format!("{what} ({job}: {:?}, {:?})", row.state.ending, row.plan));
        }
    }
    if !world.sandboxes.borrow().is_empty() || !world.gateways.borrow().is_empty() {
        world.is_wrong("something was left behind");
    }
}

fn rules(row: &Row) -> Vec<(&'static str, bool)> {
    let (facts, state) = (&row.facts, &row.state);
    let ends = row.events.iter().filter(|e| matches!(e.event, EventKind::Ended { .. })).count();
    let reason = state.ending.as_ref().map(|ending| ending.reason);
    let undisturbed = !facts.harmed && !state.cancel_requested;
    let said = texts(row);
    let mut dialled = facts.dialled.clone();
    dialled.sort_unstable();
    dialled.dedup();
    vec![
        ("a job did not end once", state.status.is_final() && ends == 1),
        ("reports were lost, doubled or mixed", facts.reported.starts_with(&recorded(row))),
        ("output was lost, doubled or mixed", output_is_right(row)),
        ("a step has not one end", steps_are_right(row)),
        (
            "a cancel that was answered did not count",
            !facts.cancelled || state.status == JobStatus::Cancelled,
        ),
        ("nobody cancelled it", state.status != JobStatus::Cancelled || state.cancel_requested),
        (
            "it ended for another reason",
            !undisturbed || row.plan.ending().is_none_or(|planned| Some(planned) == reason),
        ),
        ("words were lost, doubled or mixed", said.starts_with(&facts.heard)),
        ("a decision was not obeyed", decisions_are_right(row)),
        ("a connection was opened twice", dialled.len() == facts.dialled.len()),
        ("too many calls of a provider", facts.provider_calls <= row.plan.limits.model_calls),
        ("tokens of a provider were not counted", facts.provider_tokens <= spent(state)),
    ]
}

fn spent(state: &JobState) -> u64 {
    let usage = state.usage.unwrap_or_default();
    usage.input_tokens.unwrap_or_default() + usage.output_tokens.unwrap_or_default()
}

fn output_is_right(row: &Row) -> bool {
    let mut ends = [0, 0];
    for event in &row.events {
        if let EventKind::Output { stream, offset, bytes, .. } = event.event {
            let end = &mut ends[usize::from(stream == Stream::Stderr)];
            if offset != *end {
                return false;
            }
            *end += bytes;
        }
    }
    let logs = [&row.stdout, &row.stderr];
    let limited = row.state.ending.as_ref().is_some_and(|e| e.reason == Reason::LimitOutput);
    let all = row.facts.settled && !limited;
    ends.iter().zip(logs).zip(&row.facts.produced).all(|((end, log), produced)| {
        let end = *end as usize;
        log.get(..end) == produced.get(..end) && log.len() >= end && (!all || end == produced.len())
    })
}

/// Each is begun once and ended once, one after the other.
fn steps_are_right(row: &Row) -> bool {
    let (mut open, mut last) = (None, 0);
    for event in &row.events {
        match event.event {
            EventKind::StepStarted { step, .. } if open.is_none() && step == last + 1 => {
                (open, last) = (Some(step), step);
            }
            EventKind::StepFinished { step, .. } if open == Some(step) => open = None,
            EventKind::StepStarted { .. } | EventKind::StepFinished { .. } => return false,
            _ => {}
        }
    }
    open.is_none()
}

fn decisions_are_right(row: &Row) -> bool {
    let decided = |step: u32| {
        let of = move |event: &EventKind| match event {
            EventKind::Decided { step: of, approved, .. } if *of == step => Some(*approved),
            _ => None,
        };
        row.events.iter().filter_map(move |event| of(&event.event)).collect::<Vec<_>>()
    };
    let steps = (1..=10).all(|step| decided(step).len() <= 1);
    steps && row.facts.decisions.iter().all(|(step, approved)| decided(*step) == [*approved])
}

fn texts(row: &Row) -> Vec<String> {
    let said = |event: &EventKind| match event {
        EventKind::Said { by: Speaker::Person, text } => Some(text.clone()),
        _ => None,
    };
    row.events.iter().filter_map(|event| said(&event.event)).collect()
}

/// What was recorded of what the agent reported.
fn recorded(row: &Row) -> Vec<String> {
    let of_agent = |event: &EventKind| match event {
        EventKind::StepFinished { outcome, .. } => *outcome != StepOutcome::Interrupted,
        EventKind::Notice { level, .. } => *level == NoticeLevel::Info,
        event => matches!(
            event,
            EventKind::StepStarted { .. } | EventKind::Waiting { .. } | EventKind::Result { .. }
        ),
    };
    row.events.iter().map(|e| &e.event).filter(|e| of_agent(e)).map(sign).collect()
}

/// What tells an event from others.
pub(super) fn sign(event: &EventKind) -> String {
    match event {
        EventKind::StepStarted { step, .. } => format!("begins {step}"),
        EventKind::StepFinished { step, outcome, .. } => format!("ends {step}: {outcome:?}"),
        EventKind::Notice { text, .. } => text.split(' ').next().unwrap_or_default().into(),
        EventKind::Waiting { .. } => "waits".into(),
        EventKind::Result { .. } => "made".into(),
        event => format!("{event:?}"),
    }
}

/// The same of a report that becomes an event of its own.
pub(super) fn sign_report(report: &ReportKind) -> Option<String> {
    Some(match report {
        ReportKind::StepStarted { step, .. } => format!("begins {step}"),
        ReportKind::StepFinished { step, outcome, .. } => format!("ends {step}: {outcome:?}"),
        ReportKind::Notice { text, .. } => text.split(' ').next().unwrap_or_default().into(),
        ReportKind::Waiting { .. } => "waits".into(),
        ReportKind::Result { .. } => "made".into(),
        _ => return None,
    })
}
