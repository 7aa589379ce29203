//! A stretch of the log in short: the question to a model that sums it up, and what can be said
//! without one. Either takes the summary before it in, so that one is always enough.

use std::collections::HashSet;

use types::{ModelRequest, Part, Turn};

use super::cut::{cut, text_size};
use super::layout::{Layout, Unit, index};
use super::memory::Memory;
use super::sketch::Kind;
use super::{Entry, words};

/// The most of a summary that is kept, in bytes.
pub(super) const MOST: usize = 32 * 1024;
/// What one entry tells a model that sums it up, in bytes.
const ENTRY: (usize, usize) = (100, 8000);

/// Above what is made here.
const OWN: &str = "[From the log itself:]";

const SYSTEM: &str = "You write handover notes for an agent that works on a task in a sandbox. \
    It forgets everything but your notes, its task and its plan.";
const WANTED: &str = "Sum up what happened above for whoever goes on with the task. Say what was \
    done and with what result, which files exist and what is in them, what was found out (names, \
    numbers, paths and error texts word for word), what people asked for, what failed and why, and \
    what is left to do. Keep the #numbers of entries that may be needed again. Take over what is \
    still true of earlier notes. Write plain text, no preamble.";

/// Asks for a summary of everything before `upto` that is not summed up yet.
pub(super) fn question(
    memory: &Memory,
    layout: &Layout,
    upto: u64,
    read: impl Fn(u64) -> Option<Entry>,
) -> ModelRequest {
    let most = layout.room.turns.saturating_sub(text_size(SYSTEM) + text_size(WANTED) + 300);
    let mut text = before(memory, most / 5);
    let transcript = transcript(memory, layout, upto, most - text_size(&text).min(most), read);
    text += &cut(&transcript, most.saturating_sub(text_size(&text)), "");
    text += "\n\n";
    text += WANTED;
    ModelRequest {
        system: SYSTEM.into(),
        turns: vec![Turn::User { parts: vec![Part::text(text)] }],
        tools: vec![],
        must_call: None,
        max_output_tokens: memory.known.longest_output(),
    }
}

/// What the log says by itself of everything before `upto`: the files that were written, what was
/// done and how it ended. Of the summary before it, what a model wrote stays.
pub(super) fn own(memory: &Memory, layout: &Layout, upto: u64, most: usize) -> String {
    let earlier = memory.summary.as_ref().and_then(|s| s.text.split(OWN).next());
    let mut text = cut(earlier.unwrap_or_default().trim(), most / 3, "").into_owned();
    text += &format!("\n{OWN}\n");
    if let Some(files) = files(memory, upto, most / 6) {
        text += &format!("Files written: {files}\n");
    }
    let steps = lines(memory, layout.units.iter().copied().filter(|u| u.number() < upto));
    if let Some(line) = steps.iter().rev().find(|line| line.contains("failed: ")) {
        text += &format!("The last that failed: {line}\n");
    }
    text += &newest(&steps, most.saturating_sub(text_size(&text)));
    cut(text.trim(), most, "").into_owned()
}

/// The files that were written before `upto`, the newest that fit; `None` if there are none.
pub(super) fn files(memory: &Memory, upto: u64, most: usize) -> Option<String> {
    let mut seen = HashSet::new();
    let sketches = memory.sketches[..index(upto).min(memory.sketches.len())].iter().rev();
    let files = sketches.flat_map(|s| s.writes.iter().rev()).filter(|path| seen.insert(&***path));
    let mut text = String::new();
    for path in files {
        if text.len() + path.len() + 2 > most {
            text += ", …";
            break;
        }
        let comma = if text.is_empty() { "" } else { ", " };
        text += &format!("{comma}{path}");
    }
    (!text.is_empty()).then_some(text)
}

/// The last lines that fit into so many bytes of JSON.
pub(super) fn newest(lines: &[String], most: usize) -> String {
    let mut left = most.saturating_sub(60);
    let fits = |line: &&String| {
        let rest = left.checked_sub(text_size(line) + 2);
        left = rest.unwrap_or_default();
        rest.is_some()
    };
    let shown = lines.iter().rev().take_while(fits).count();
    let (gone, shown) = lines.split_at(lines.len() - shown);
    match gone.len() {
        0 => shown.join("\n"),
        gone => format!("({gone} earlier lines left out)\n{}", shown.join("\n")),
    }
}

fn before(memory: &Memory, most: usize) -> String {
    let task = cut(memory.task.as_deref().unwrap_or_default(), most, "");
    let summary = memory.summary.as_ref().map(|s| cut(&s.text, most, ""));
    let summary = summary.map(|s| format!("Earlier notes:\n{s}\n\n")).unwrap_or_default();
    format!("The task:\n{task}\n\n{summary}What happened:\n")
}

fn transcript(
    memory: &Memory,
    layout: &Layout,
    upto: u64,
    most: usize,
    read: impl Fn(u64) -> Option<Entry>,
) -> String {
    let numbers: Vec<u64> = stretch(memory, layout, upto).flat_map(entries).collect();
    // A little more than its share for each, as most are short; what is too much is cut.
    let share = (most * 3 / numbers.len().max(1)).clamp(ENTRY.0, ENTRY.1);
    let tell = |n: &u64| {
        let entry = read(*n)?;
        let words = words::of(&entry, false);
        Some(format!("#{n} {}:\n{}", words::speaker(&entry), cut(&words, share, "")))
    };
    let mut told: Vec<String> = numbers.iter().filter_map(tell).collect();
    let mut share = share;
    while told.iter().map(|t| text_size(t) + 2).sum::<usize>() > most && share > ENTRY.0 {
        share /= 2;
        told = told.iter().map(|text| cut(text, share, "").into_owned()).collect();
    }
    told.join("\n")
}

/// The units before `upto` that no summary has yet.
fn stretch<'l>(memory: &Memory, layout: &'l Layout, upto: u64) -> impl Iterator<Item = Unit> + 'l {
    let since = memory.summary.as_ref().map_or(0, |s| s.upto);
    layout.units.iter().copied().filter(move |u| (since..upto).contains(&u.number()))
}

fn entries(unit: Unit) -> impl Iterator<Item = u64> {
    match unit {
        Unit::Said(n) => [Some(n), None],
        Unit::Step { model, results } => [Some(model), results],
    }
    .into_iter()
    .flatten()
}

/// A line for each unit.
pub(super) fn lines(memory: &Memory, units: impl Iterator<Item = Unit>) -> Vec<String> {
    let line = |n: u64| memory.sketches[index(n)].line();
    units
        .map(|unit| match unit {
            Unit::Said(n) => match memory.sketches[index(n)].kind {
                Kind::Person => format!("#{n} a person said: {}", line(n)),
                Kind::Lost => format!("#{n} [changed on disk]"),
                _ => format!("#{n} note: {}", line(n)),
            },
            Unit::Step { model, results: Some(results) } => {
                format!("#{model} {} → #{results} {}", line(model), line(results))
            }
            Unit::Step { model, results: None } => format!("#{model} {}", line(model)),
        })
        .collect()
}
