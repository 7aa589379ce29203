//! The event log: numbered without a hole, one end, each step begun and ended once, the output in it
//! the one that is in the log.

use std::collections::BTreeMap;

use types::{Event, EventKind, Stream};

use super::{Kind, Violation};

/// Everything wrong with a whole log.
pub(crate) fn check(events: &[Event], stdout: &str) -> Vec<Violation> {
    let mut found = gaps(events);
    found.extend(ends(events));
    found.extend(steps(events));
    found.extend(output(events, stdout));
    found
}

/// Where it does not go 1, 2, 3 …
pub(crate) fn gaps(events: &[Event]) -> Vec<Violation> {
    let odd = (1..).zip(events).find(|(n, event)| *n != event.seq);
    let tell = |(n, event): (u64, &Event)| {
        let kind = if event.seq > n { Kind::Gap } else { Kind::Doubled };
        Violation::of(kind, format!("event {} where {n} should be", event.seq))
    };
    odd.map(tell).into_iter().collect()
}

/// Whether a follower saw what happened.
pub(crate) fn same(followed: &[Event], events: &[Event]) -> Vec<Violation> {
    let mut found = gaps(followed);
    if followed.len() < events.len() {
        let what = format!("its follower saw {} of {} events", followed.len(), events.len());
        found.push(Violation::of(Kind::Gap, what));
    }
    if let Some((told, kept)) = followed.iter().zip(events).find(|(told, kept)| told != kept) {
        found.push(Violation::of(
            Kind::Wrong,
            format!("its follower was told {told:?}, not {kept:?}"),
        ));
    }
    found
}

fn ends(events: &[Event]) -> Vec<Violation> {
    let is_end = |event: &Event| matches!(event.event, EventKind::Ended { .. });
    let count = events.iter().filter(|event| is_end(event)).count();
    match (count, events.last()) {
        (1, Some(last)) if is_end(last) => vec![],
        (0, _) => vec![Violation::of(Kind::Lost, "its end")],
        (1, _) => vec![Violation::of(Kind::Wrong, "something happened after its end")],
        _ => vec![Violation::of(Kind::Doubled, format!("it ended {count} times"))],
    }
}

fn steps(events: &[Event]) -> Vec<Violation> {
    let mut steps: BTreeMap<u32, (u32, u32)> = BTreeMap::new();
    for event in events {
        match event.event {
            EventKind::StepStarted { step, .. } => steps.entry(step).or_default().0 += 1,
            EventKind::StepFinished { step, .. } => steps.entry(step).or_default().1 += 1,
            _ => {}
        }
    }
    let odd = steps.into_iter().filter(|(_, counts)| *counts != (1, 1));
    let tell = |(step, (begun, ended)): (u32, (u32, u32))| {
        let kind = if begun > 1 || ended > 1 { Kind::Doubled } else { Kind::Lost };
        Violation::of(kind, format!("step {step} began {begun} times and ended {ended} times"))
    };
    odd.map(tell).collect()
}

fn output(events: &[Event], stdout: &str) -> Vec<Violation> {
    let mut told = String::new();
    for event in events {
        let EventKind::Output { stream: Stream::Stdout, offset, bytes, text, .. } = &event.event
        else {
            continue;
        };
        if *offset != told.len() as u64 {
            let what = format!("output at {offset} where {} should be", told.len());
            return vec![Violation::of(Kind::Gap, what)];
        }
        let text = text.as_deref().unwrap_or_default();
        if *bytes != text.len() as u64 {
            return vec![Violation::of(Kind::Lost, format!("the text of event {}", event.seq))];
        }
        told.push_str(text);
    }
    match told == stdout {
        true => vec![],
        false => vec![Violation::of(
            Kind::Wrong,
            format!("{} bytes of output in its events, {} in its log", told.len(), stdout.len()),
        )],
    }
}

#[cfg(test)]
mod tests {
    use types::{Ending, Mode};

    use super::*;

    fn log(kinds: Vec<EventKind>) -> Vec<Event> {
        let at = "2026-01-31T12:00:00Z".parse().unwrap();
        (1..).zip(kinds).map(|(seq, event)| Event { seq, at, event }).collect()
    }

    fn good() -> Vec<Event> {
        log(vec![
            EventKind::Scheduled { mode: Mode::Runbook },
            output(0, "a\n"),
            output(2, "b\n"),
            EventKind::Packaging,
            EventKind::Ended { ending: Ending::complete() },
        ])
    }

    fn output(offset: u64, text: &str) -> EventKind {
        let (bytes, text) = (text.len() as u64, Some(text.into()));
        EventKind::Output { step: 1, stream: Stream::Stdout, offset, bytes, text }
    }

    fn kinds(found: &[Violation]) -> Vec<Kind> {
        found.iter().map(|violation| violation.kind).collect()
    }

    #[test]
    fn a_good_log_is_good() {
        assert_eq!(check(&good(), "a\nb\n"), []);
        assert_eq!(same(&good(), &good()), []);
    }

    #[test]
    fn a_hole_and_a_repeat_are_found() {
        let mut events = good();
        events.remove(1);
        assert_eq!(kinds(&gaps(&events)), [Kind::Gap]);
        assert_eq!(kinds(&same(&events, &good())), [Kind::Gap, Kind::Gap, Kind::Wrong]);
        let mut events = good();
        events.insert(1, events[0].clone());
        assert_eq!(kinds(&gaps(&events)), [Kind::Doubled]);
    }

    #[test]
    fn lost_output_is_found() {
        let mut events = good();
        events[2].event = output(3, "b\n");
        assert_eq!(kinds(&check(&events, "a\nb\n")), [Kind::Gap]);
        assert_eq!(kinds(&check(&good(), "a\n")), [Kind::Wrong]);
    }

    #[test]
    fn a_second_end_and_a_missing_one_are_found() {
        let mut events = good();
        let end = events.pop().unwrap();
        assert_eq!(kinds(&check(&events, "a\nb\n")), [Kind::Lost]);
        events.extend([end.clone(), Event { seq: 6, ..end }]);
        assert_eq!(kinds(&check(&events, "a\nb\n")), [Kind::Doubled]);
    }
}
